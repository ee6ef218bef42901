// One pass of the decoder as integers: what every new token is, where it stands and whom it hears.
#pragma once

#include <cstdint>
#include <vector>

#include "array.h"

namespace sottovoce::ops {

// Keys and values of decoder rows, one column a row at every position: which row uses which column
// is the caller's page table. A row's vectors of one position stand side by side.
struct KVArena {
  Array keys;    // (n_layer, n_ctx, n_rows, n_state) float32
  Array values;  // (n_layer, n_ctx, n_rows, n_state) float32

  std::size_t n_bytes() const { return keys.n_bytes() + values.n_bytes(); }
};

struct StepPlan {
  struct Input {
    int row = 0;
    int token = 0;
    int position = 0;  // in the row
    int column = 0;    // of the arena: where its keys and values go
    int window = 0;    // whose audio it hears
  };
  std::vector<Input> inputs;  // tokens of a row in order, rows of a window side by side
  // The column of every position of every row, (n_rows, n_ctx); outlives the pass.
  const std::uint16_t* columns = nullptr;
  int n_ctx = 0;

  int column(int row, int position) const {
    return columns[static_cast<std::size_t>(row) * static_cast<std::size_t>(n_ctx) +
                   static_cast<std::size_t>(position)];
  }
};

}  // namespace sottovoce::ops
