// Dynamic time warping: the monotonous path through a matrix that collects most.
#pragma once

#include <vector>

#include <sottovoce/tensor.h>

namespace sottovoce {

// The column at which the best path through `matrix` (n_rows, n_columns) enters each row: (n_rows).
// A path goes from the first row and column to the last, a step in either direction or both at a
// time, and is worth the sum of what it passes, in float32. openai-whisper's ties: a step in both
// directions, or to the next row, is taken only where it is better than either other. Where NaN
// leads out of the matrix, the column is -1.
std::vector<int> path_starts(const Tensor& matrix);

}  // namespace sottovoce
