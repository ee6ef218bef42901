#include "time_warping.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace sottovoce {

namespace {

enum Move : std::uint8_t { kBoth, kNextRow, kNextColumn };  // that led to a cell

// Cells (row, column) of a table that has a row and a column more than the matrix, before its
// first. Those with the same row + column are a diagonal: they do not depend on each other, so that
// one is computed in vectors from the two before it. Costs stand by row; rows that no diagonal has
// come to yet are infinitely far.
struct Diagonals {
  explicit Diagonals(std::size_t n_rows)
      : second_last(n_rows + 1, std::numeric_limits<float>::infinity()),
        last(second_last),
        next(second_last),
        values(n_rows + 1) {}

  // Costs and moves of rows [begin, end).
  void extend(std::int64_t begin, std::int64_t end, std::uint8_t* moves) {
    const float* both = second_last.data() - 1;
    const float* next_row = last.data() - 1;
    const float* next_column = last.data();
    const float* value = values.data();
    float* cost = next.data();
#pragma omp simd
    for (std::int64_t row = begin; row < end; ++row) {
      const float c0 = both[row];
      const float c1 = next_row[row];
      const float c2 = next_column[row];
      const bool takes_both = (c0 < c1) & (c0 < c2);
      const bool takes_row = (c1 < c0) & (c1 < c2);
      cost[row] = (takes_both ? c0 : takes_row ? c1 : c2) - value[row];
      moves[row] = takes_both ? kBoth : takes_row ? kNextRow : kNextColumn;
    }
  }

  std::vector<float> second_last, last, next;  // (n_rows + 1) costs
  std::vector<float> values;                   // (n_rows + 1) of the matrix, along the diagonal
};

// The moves to all cells, (n_rows + n_columns + 1, n_rows + 1): by diagonal and row.
std::vector<std::uint8_t> find_moves(const Tensor& matrix) {
  constexpr float kNowhere = std::numeric_limits<float>::infinity();
  const std::int64_t n_rows = matrix.shape()[0];
  const std::int64_t n_columns = matrix.shape()[1];
  std::vector<std::uint8_t> moves(static_cast<std::size_t>((n_rows + n_columns + 1) * (n_rows + 1)),
                                  kNextRow);
  Diagonals diagonals(static_cast<std::size_t>(n_rows));
  diagonals.second_last[0] = 0.0f;
  for (std::int64_t diagonal = 2; diagonal <= n_rows + n_columns; ++diagonal) {
    const std::int64_t begin = std::max<std::int64_t>(1, diagonal - n_columns);
    const std::int64_t end = std::min(n_rows + 1, diagonal);
    for (std::int64_t row = begin; row < end; ++row) {
      diagonals.values[static_cast<std::size_t>(row)] =
          matrix.data()[(row - 1) * n_columns + diagonal - row - 1];
    }
    diagonals.extend(begin, end, moves.data() + diagonal * (n_rows + 1));
    diagonals.next[0] = kNowhere;
    std::swap(diagonals.second_last, diagonals.last);
    std::swap(diagonals.last, diagonals.next);
  }
  return moves;
}

}  // namespace

std::vector<int> path_starts(const Tensor& matrix) {
  const std::int64_t n_rows = matrix.shape()[0];
  const std::vector<std::uint8_t> moves = find_moves(matrix);
  std::vector<int> starts(static_cast<std::size_t>(n_rows));
  std::int64_t row = n_rows;
  std::int64_t column = matrix.shape()[1];
  while (row > 0) {
    starts[static_cast<std::size_t>(row - 1)] = static_cast<int>(column - 1);
    std::uint8_t move = kNextRow;
    if (column > 0) move = moves[static_cast<std::size_t>((row + column) * (n_rows + 1) + row)];
    if (move != kNextColumn) --row;
    if (move != kNextRow) --column;
  }
  return starts;
}

}  // namespace sottovoce
