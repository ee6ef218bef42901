#include "attention_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "median_filter.h"
#include "parallel.h"

namespace sottovoce {

namespace {

// Positions that are measured together: their sums stay in the first-level cache.
constexpr std::int64_t kBlock = 256;

// Mean and standard deviation over the tokens, of n <= kBlock neighbouring positions. weights
// (n_tokens, n), a row every `stride` elements.
void measure(const float* weights, std::int64_t n_tokens, std::int64_t stride, std::int64_t n,
             float* mean, float* deviation) {
  const auto count = static_cast<double>(n_tokens);
  double centres[kBlock] = {};
  double squares[kBlock] = {};
  for (std::int64_t token = 0; token < n_tokens; ++token) {
    const float* row = weights + token * stride;
    for (std::int64_t i = 0; i < n; ++i) centres[i] += static_cast<double>(row[i]);
  }
  for (std::int64_t i = 0; i < n; ++i) centres[i] /= count;
  for (std::int64_t token = 0; token < n_tokens; ++token) {
    const float* row = weights + token * stride;
    for (std::int64_t i = 0; i < n; ++i) {
      const double centred = static_cast<double>(row[i]) - centres[i];
      squares[i] += centred * centred;
    }
  }
  for (std::int64_t i = 0; i < n; ++i) {
    mean[i] = static_cast<float>(centres[i]);
    deviation[i] = static_cast<float>(std::sqrt(squares[i] / count));
  }
}

// Softmax of every row, mean and deviation (n_heads, n) of every column; the first n of n_ctx.
void weigh(const ops::Context& context, Tensor& scores, std::int64_t n, Tensor& mean,
           Tensor& deviation) {
  const std::int64_t n_heads = scores.shape()[0];
  const std::int64_t n_tokens = scores.shape()[1];
  const std::int64_t n_ctx = scores.shape()[2];
  parallel_for(*context.threads, n_heads * n_tokens,
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (std::int64_t row = begin; row < end; ++row) {
                   ops::softmax_rows(context, scores.data() + row * n_ctx, 1, n);
                 }
               });
  const std::int64_t n_blocks = (n + kBlock - 1) / kBlock;
  parallel_for(*context.threads, n_heads * n_blocks,
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t head = task / n_blocks;
                   const std::int64_t first = task % n_blocks * kBlock;
                   measure(scores.data() + head * n_tokens * n_ctx + first, n_tokens, n_ctx,
                           std::min(kBlock, n - first), mean.data() + head * n + first,
                           deviation.data() + head * n + first);
                 }
               });
}

}  // namespace

Tensor attention_matrix(const ops::Context& context, Tensor& scores,
                        const AttentionMatrix& wanted) {
  const std::int64_t n_heads = scores.shape()[0];
  const std::int64_t n_tokens = scores.shape()[1];
  const std::int64_t n_ctx = scores.shape()[2];
  const std::int64_t n = wanted.n_positions;
  Tensor matrix({wanted.n_rows, n});
  if (n == 0) return matrix;
  Tensor mean({n_heads, n});
  Tensor deviation({n_heads, n});
  weigh(context, scores, n, mean, deviation);

  const std::int64_t padding = median_filter_padding(n, wanted.median_filter_width);
  const std::int64_t room = n + 2 * padding;
  const int n_threads = context.threads->n_threads();
  Tensor normal({n_threads, room});  // a row, and its mirror images
  Tensor filtered({n_threads, n});
  Tensor window({n_threads, 2 * padding + 1});
  parallel_for(*context.threads, wanted.n_rows,
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 float* const z = normal.data() + thread * room + padding;
                 float* const median = filtered.data() + thread * n;
                 for (std::int64_t row = begin; row < end; ++row) {
                   float* const out = matrix.data() + row * n;
                   std::fill_n(out, n, 0.0f);
                   for (std::int64_t head = 0; head < n_heads; ++head) {
                     const float* weights =
                         scores.data() + (head * n_tokens + wanted.first_row + row) * n_ctx;
                     const float* of_mean = mean.data() + head * n;
                     const float* of_deviation = deviation.data() + head * n;
                     for (std::int64_t i = 0; i < n; ++i) {
                       z[i] = (weights[i] - of_mean[i]) / of_deviation[i];
                     }
                     median_filter(z, n, wanted.median_filter_width,
                                   window.data() + thread * (2 * padding + 1), median);
                     for (std::int64_t i = 0; i < n; ++i) out[i] += median[i];
                   }
                   for (std::int64_t i = 0; i < n; ++i) out[i] /= static_cast<float>(n_heads);
                 }
               });
  return matrix;
}

std::vector<int> row_peaks(const Tensor& matrix) {
  const std::int64_t n_rows = matrix.shape()[0];
  const std::int64_t n_columns = matrix.shape()[1];
  std::vector<int> peaks(static_cast<std::size_t>(n_rows), -1);
  for (std::int64_t row = 0; row < n_rows; ++row) {
    const float* const values = matrix.data() + row * n_columns;
    int& peak = peaks[static_cast<std::size_t>(row)];
    for (std::int64_t i = 0; i < n_columns; ++i) {
      if (!std::isnan(values[i]) && (peak < 0 || values[i] > values[peak])) {
        peak = static_cast<int>(i);
      }
    }
  }
  return peaks;
}

}  // namespace sottovoce
