// One pass of the decoder as integers: what every new token is, where it stands, whom it hears and
// whether somebody wants to know what comes after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <sottovoce/checkpoint.h>

#include "array.h"

namespace sottovoce::ops {

// Keys and values of one layer over the audio of one window, as attention reads them.
class KeysValues {
 public:
  virtual ~KeysValues() = default;
  virtual std::size_t n_bytes() const = 0;
};
using KeysValuesPtr = std::unique_ptr<KeysValues>;

// Self-attention keys and values of decoder rows: one column a row at every position and layer.
// Which row uses which column is the caller's page table.
class KVArena {
 public:
  virtual ~KVArena() = default;
  virtual std::size_t n_bytes() const = 0;
};

// How the inputs that are looked at attend to the audio: weights, or the scores before the softmax.
struct Look {
  std::vector<LayerHead> heads;
  bool softmax = false;
  Array out;  // (heads, looks, n_audio_ctx)
};

struct StepPlan {
  struct Input {
    int row = 0;
    int token = 0;
    int position = 0;  // in the row
    int column = 0;    // of the arena: where its keys and values go
    int window = 0;    // whose audio it hears
    int look = -1;     // where a Look keeps how; -1: nobody looks
  };
  // An input whose logits are wanted; those of tokens before `first_token` do not count, but are
  // computed if the row is to be complete.
  struct Wanted {
    std::int64_t input = 0;
    int first_token = 0;
    bool is_complete = false;
  };
  std::vector<Input> inputs;   // tokens of a row in order, rows of a window side by side
  std::vector<Wanted> wanted;  // in the order of the rows of logits

  // What follows outlives the pass.
  // The column of every position of every row, (n_rows, n_ctx).
  const std::uint16_t* columns = nullptr;
  int n_ctx = 0;
  // The keys and values of each window that is heard, a layer each; by window, null: not heard.
  std::vector<const std::vector<KeysValuesPtr>*> audio;

  int column(int row, int position) const {
    return columns[static_cast<std::size_t>(row) * static_cast<std::size_t>(n_ctx) +
                   static_cast<std::size_t>(position)];
  }
};

}  // namespace sottovoce::ops
