// The page table of the KV cache.
#include "kv_cache.h"

#include <algorithm>

namespace sottovoce {

KVCache::KVCache(int n_layer, int n_ctx, int n_rows, int n_state)
    : n_ctx_(n_ctx),
      n_rows_(n_rows),
      n_state_(n_state),
      keys_({n_layer, n_ctx, n_rows, n_state}),
      values_({n_layer, n_ctx, n_rows, n_state}),
      n_past_(static_cast<std::size_t>(n_rows), 0),
      columns_(static_cast<std::size_t>(n_rows) * static_cast<std::size_t>(n_ctx), 0),
      taken_(static_cast<std::size_t>(n_rows), 0) {}

std::int64_t KVCache::layer_stride() const { return std::int64_t{n_ctx_} * n_rows_ * n_state_; }

std::int64_t KVCache::offset(int row, int pos) const {
  const std::size_t entry = static_cast<std::size_t>(row) * static_cast<std::size_t>(n_ctx_) +
                            static_cast<std::size_t>(pos);
  return (std::int64_t{pos} * n_rows_ + columns_[entry]) * n_state_;
}

std::uint16_t KVCache::free_column(int row, int pos) {
  std::fill(taken_.begin(), taken_.end(), 0);
  for (int other = 0; other < n_rows_; ++other) {
    if (other != row && n_past(other) > pos) taken_[column(other, pos)] = 1;
  }
  // A row's own column first: a row that is never rearranged stays where it is.
  if (!taken_[static_cast<std::size_t>(row)]) return static_cast<std::uint16_t>(row);
  return static_cast<std::uint16_t>(std::find(taken_.begin(), taken_.end(), 0) - taken_.begin());
}

void KVCache::extend(int row, int n) {
  int& n_past = n_past_[static_cast<std::size_t>(row)];
  for (int i = 0; i < n; ++i) {
    column(row, n_past) = free_column(row, n_past);
    ++n_past;
  }
}

void KVCache::rearrange(const std::vector<int>& sources) {
  const std::vector<std::uint16_t> old_columns = columns_;
  const std::vector<int> old_past = n_past_;
  for (int row = 0; row < n_rows_; ++row) {
    const auto source = static_cast<std::size_t>(sources[static_cast<std::size_t>(row)]);
    const int n_past = old_past[source];
    n_past_[static_cast<std::size_t>(row)] = n_past;
    const auto first = old_columns.begin() +
                       static_cast<std::ptrdiff_t>(source * static_cast<std::size_t>(n_ctx_));
    std::copy_n(first, n_past, &column(row, 0));
  }
}

}  // namespace sottovoce
