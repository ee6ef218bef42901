// Where the self-attention keys and values of decoder rows stand in their arena.
//
// The arena has one column a row at every position. Row r's position p lives in column
// column(r, p); when beams are rearranged only this table moves, and a new position is given a
// column that no other row refers to. There is always one: n_rows columns, and n_rows - 1 others.
#pragma once

#include <cstdint>
#include <vector>

namespace sottovoce {

class PageTable {
 public:
  static constexpr int kMostRows = 65535;  // a column is 16 bits
  PageTable(int n_ctx, int n_rows);

  int n_rows() const { return n_rows_; }
  int n_ctx() const { return n_ctx_; }
  int n_past(int row) const { return n_past_[static_cast<std::size_t>(row)]; }
  int column(int row, int pos) const { return columns_[entry(row, pos)]; }
  const std::uint16_t* columns() const { return columns_.data(); }  // (n_rows, n_ctx)

  // Opens `n` further positions of a row; a pass of the decoder fills them.
  void extend(int row, int n);
  // Keeps the first n positions of a row.
  void cut(int row, int n) { n_past_[static_cast<std::size_t>(row)] = n; }
  // Row i takes over the past of row sources[i].
  void rearrange(const std::vector<int>& sources);

 private:
  std::size_t entry(int row, int pos) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(n_ctx_) +
           static_cast<std::size_t>(pos);
  }
  std::uint16_t free_column(int row, int pos);

  int n_ctx_;
  int n_rows_;
  std::vector<int> n_past_;             // (n_rows)
  std::vector<std::uint16_t> columns_;  // (n_rows, n_ctx)
  std::vector<char> taken_;             // (n_rows), scratch of free_column
};

}  // namespace sottovoce
