// What is done with rows of logits, and with rows of the embedding they come from.
#include <algorithm>
#include <limits>
#include <vector>

#include "kernels.h"
#include "parallel.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

constexpr std::int64_t kBlock = 64;

int count_above(const float* x, std::int64_t n, float threshold) {
  int n_above = 0;
#pragma omp simd reduction(+ : n_above)
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

void read_row(const Context& context, const TensorView& table, std::int64_t row, float* out) {
  const std::int64_t n = table.shape[1];
  widen(context, table, row * n, n, out);
}

void project_logits(const Context& context, const PackedLinear& embedding, const Activations& x,
                    const std::vector<int>& first, float* logits) {
  Activations inputs(CpuContext(context), x.n_rows(), x.n(), embedding.dtype());
  convert(context, static_cast<const float*>(x.row(0)), x.n(), inputs);
  LinearArgs args;
  args.x = inputs.view();
  args.m = x.n_rows();
  args.out = {Destination::rows(logits, DType::kFloat32, embedding.n)};
  args.first_panel = *std::min_element(first.begin(), first.end()) / embedding.nr;
  for (std::int64_t row = 0; row < x.n_rows(); ++row) {
    std::fill_n(logits + row * embedding.n, args.first_panel * embedding.nr,
                -std::numeric_limits<float>::infinity());
  }
  linear(context, embedding, args);
}

void rescore_best(const Context& context, const TensorView& table, const Activations& x,
                  const std::vector<int>& first, float* logits) {
  constexpr int kRescored = 32;  // a beam search of 31 looks at as many

  const std::int64_t n_vocab = table.shape[0];
  const std::int64_t n = table.shape[1];
  std::vector<std::vector<int>> best(static_cast<std::size_t>(x.n_rows()));
  for (std::vector<int>& of_row : best) of_row.reserve(kRescored);
  Tensor lines({context.threads->n_threads(), n});
  parallel_for(*context.threads, x.n_rows(), [&](std::int64_t begin, std::int64_t end, int thread) {
    float* const line = lines.data() + thread * n;
    for (std::int64_t row = begin; row < end; ++row) {
      std::vector<int>& indices = best[static_cast<std::size_t>(row)];
      const int from = first[static_cast<std::size_t>(row)];
      float* const of_row = logits + row * n_vocab + from;
      const std::int64_t n_left = n_vocab - from;
      top_k(of_row, n_left, static_cast<int>(std::min<std::int64_t>(kRescored, n_left)), indices);
      for (const int index : indices) {
        read_row(context, table, from + index, line);
        context.kernels->dots_f32(static_cast<const float*>(x.row(row)), &line, 0, n, 1,
                                  of_row + index);
      }
    }
  });
}

// Elements above the k-th of what was seen are rare after the first few thousand, so whole blocks
// are compared with it first, in vectors.
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

}  // namespace sottovoce::ops
