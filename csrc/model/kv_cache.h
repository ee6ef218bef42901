// Self-attention keys and values of decoder rows, preallocated, with a page table.
//
// The arena holds one column a row at every position. Row r's position p lives in column
// column(r, p); when beams are rearranged only the table moves, and a new position is written to a
// column that no other row refers to. There is always one: n_rows columns, and n_rows - 1 others.
#pragma once

#include <cstdint>
#include <vector>

#include <sottovoce/tensor.h>

namespace sottovoce {

class KVCache {
 public:
  static constexpr int kMostRows = 65535;  // a column is 16 bits
  KVCache(int n_layer, int n_ctx, int n_rows, int n_state);

  int n_rows() const { return n_rows_; }
  int n_ctx() const { return n_ctx_; }
  int n_past(int row) const { return n_past_[static_cast<std::size_t>(row)]; }
  std::size_t n_bytes() const { return keys_.n_bytes() + values_.n_bytes(); }

  // Opens `n` further positions of a row; the caller fills them layer by layer.
  void extend(int row, int n);
  // Keeps the first n positions of a row.
  void cut(int row, int n) { n_past_[static_cast<std::size_t>(row)] = n; }
  // Row i takes over the past of row sources[i].
  void rearrange(const std::vector<int>& sources);

  // (n_state) vectors of layer 0; those of layer l stand l * layer_stride() floats further on.
  float* key(int row, int pos) { return keys_.data() + offset(row, pos); }
  float* value(int row, int pos) { return values_.data() + offset(row, pos); }
  std::int64_t layer_stride() const;

 private:
  std::int64_t offset(int row, int pos) const;
  std::uint16_t& column(int row, int pos) {
    return columns_[static_cast<std::size_t>(row) * static_cast<std::size_t>(n_ctx_) +
                    static_cast<std::size_t>(pos)];
  }
  std::uint16_t free_column(int row, int pos);

  int n_ctx_;
  int n_rows_;
  int n_state_;
  Tensor keys_;                         // (n_layer, n_ctx, n_rows, n_state)
  Tensor values_;                       // (n_layer, n_ctx, n_rows, n_state)
  std::vector<int> n_past_;             // (n_rows)
  std::vector<std::uint16_t> columns_;  // (n_rows, n_ctx)
  std::vector<char> taken_;             // (n_rows), scratch of free_column
};

}  // namespace sottovoce
