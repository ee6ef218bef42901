#include "sampler.h"

#include <algorithm>
#include <array>

namespace sottovoce {
namespace {

constexpr std::int64_t kBlock = 512;
constexpr int kLanes = 8;

double block_sum(const float* x, std::int64_t n) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
  }
  for (; i < n; ++i) lanes[0] += x[i];
  double sum = 0.0;
  for (const float lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

// First i with target < x[0] + ... + x[i]. Rounding can leave the target at or past the whole sum:
// then the last i that has weight, so that what has none is never chosen.
template <class T>
std::size_t quantile(const T* x, std::size_t n, double& target) {
  std::size_t last = 0;
  double last_target = target;
  for (std::size_t i = 0; i < n; ++i) {
    const double weight = static_cast<double>(x[i]);
    if (weight <= 0.0) continue;
    if (target < weight) return i;
    last = i;
    last_target = target;
    target -= weight;
  }
  target = last_target;
  return last;
}

}  // namespace

double uniform(std::uint64_t seed, std::uint32_t row, std::uint32_t step) {
  std::array<std::uint32_t, 4> x = {row, step, 0, 0};
  std::uint32_t key0 = static_cast<std::uint32_t>(seed);
  std::uint32_t key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * x[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<std::uint32_t>(product1 >> 32) ^ x[1] ^ key0,
         static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ x[3] ^ key1,
         static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9;  // the golden ratio
    key1 += 0xBB67AE85;  // sqrt(3) - 1
  }
  const std::uint64_t bits = (std::uint64_t{x[0]} << 32 | x[1]) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

int Sampler::draw(const ops::Context& context, const float* logits, std::int64_t n, float max,
                  double u) {
  probs_.resize(static_cast<std::size_t>(n));
  // Less the largest before the division: a very small temperature cannot overflow.
  for (std::size_t i = 0; i < probs_.size(); ++i) probs_[i] = (logits[i] - max) / temperature_;
  ops::softmax_rows(context, probs_.data(), 1, n);

  blocks_.clear();
  double total = 0.0;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    blocks_.push_back(block_sum(probs_.data() + begin, std::min(kBlock, n - begin)));
    total += blocks_.back();
  }
  double target = u * total;
  const std::size_t begin = quantile(blocks_.data(), blocks_.size(), target) * kBlock;
  const std::size_t length = std::min<std::size_t>(kBlock, probs_.size() - begin);
  return static_cast<int>(begin + quantile(probs_.data() + begin, length, target));
}

}  // namespace sottovoce
