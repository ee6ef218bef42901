// Elements above the k-th of what was seen are rare after the first few thousand, so whole blocks
// are compared with it first; that loop has no branch and the compiler turns it into vectors.
#include "top_k.h"

#include <algorithm>

namespace sottovoce {
namespace {

constexpr std::int64_t kBlock = 64;

int count_above(const float* x, std::int64_t n, float threshold) {
  int n_above = 0;
  for (std::int64_t i = 0; i < n; ++i) n_above += x[i] > threshold;
  return n_above;
}

// Puts an index behind those that are not smaller; later indices lose a tie.
void insert(const float* x, int index, std::vector<int>& out) {
  const auto place =
      std::find_if(out.begin(), out.end(), [&](int other) { return x[other] < x[index]; });
  out.insert(place, index);
}

}  // namespace

void top_k(const float* x, std::int64_t n, int k, std::vector<int>& out) {
  out.clear();
  for (int i = 0; i < k; ++i) insert(x, i, out);
  for (std::int64_t begin = k; begin < n; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, n);
    if (count_above(x + begin, end - begin, x[out.back()]) == 0) continue;
    for (std::int64_t i = begin; i < end; ++i) {
      if (!(x[i] > x[out.back()])) continue;
      out.pop_back();
      insert(x, static_cast<int>(i), out);
    }
  }
}

}  // namespace sottovoce
