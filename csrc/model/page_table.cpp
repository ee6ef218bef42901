#include "page_table.h"

#include <algorithm>

namespace sottovoce {

PageTable::PageTable(int n_ctx, int n_rows)
    : n_ctx_(n_ctx),
      n_rows_(n_rows),
      n_past_(static_cast<std::size_t>(n_rows), 0),
      columns_(static_cast<std::size_t>(n_rows) * static_cast<std::size_t>(n_ctx), 0),
      taken_(static_cast<std::size_t>(n_rows), 0) {}

std::uint16_t PageTable::free_column(int row, int pos) {
  std::fill(taken_.begin(), taken_.end(), 0);
  for (int other = 0; other < n_rows_; ++other) {
    if (other != row && n_past(other) > pos) taken_[columns_[entry(other, pos)]] = 1;
  }
  // A row's own column first: a row that is never rearranged stays where it is.
  if (!taken_[static_cast<std::size_t>(row)]) return static_cast<std::uint16_t>(row);
  return static_cast<std::uint16_t>(std::find(taken_.begin(), taken_.end(), 0) - taken_.begin());
}

void PageTable::extend(int row, int n) {
  int& n_past = n_past_[static_cast<std::size_t>(row)];
  for (int i = 0; i < n; ++i) {
    columns_[entry(row, n_past)] = free_column(row, n_past);
    ++n_past;
  }
}

void PageTable::rearrange(const std::vector<int>& sources) {
  const std::vector<std::uint16_t> old_columns = columns_;
  const std::vector<int> old_past = n_past_;
  for (int row = 0; row < n_rows_; ++row) {
    const auto source = static_cast<std::size_t>(sources[static_cast<std::size_t>(row)]);
    const int n_past = old_past[source];
    n_past_[static_cast<std::size_t>(row)] = n_past;
    const auto first = old_columns.begin() +
                       static_cast<std::ptrdiff_t>(source * static_cast<std::size_t>(n_ctx_));
    std::copy_n(first, n_past, columns_.begin() + static_cast<std::ptrdiff_t>(entry(row, 0)));
  }
}

}  // namespace sottovoce
