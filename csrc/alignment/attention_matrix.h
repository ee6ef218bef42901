// How strongly each token attends to each position of the audio, of all heads together.
#pragma once

#include <cstdint>
#include <vector>

#include <sottovoce/tensor.h>

#include "host.h"

namespace sottovoce {

// What becomes of scores (n_heads, n_tokens, n_ctx), those before the softmax.
struct AttentionMatrix {
  std::int64_t n_positions = 0;  // of n_ctx that hold audio
  std::int64_t first_row = 0;    // tokens whose rows are wanted, among those that are normalised
  std::int64_t n_rows = 0;
  int median_filter_width = 7;
};

// (n_rows, n_positions): softmax over the positions, less its mean over all tokens and divided by
// their standard deviation, filtered along the positions, and the mean over the heads. `scores` is
// overwritten. In float32, mean and deviation summed in float64, as openai-whisper has them on a
// CPU.
Tensor attention_matrix(const ops::Context& context, Tensor& scores, const AttentionMatrix& wanted);

// The column of the largest value in each row of `matrix` (n_rows, n_columns), the first of equal
// ones: (n_rows). -1 where a row has nothing but NaN.
std::vector<int> row_peaks(const Tensor& matrix);

}  // namespace sottovoce
