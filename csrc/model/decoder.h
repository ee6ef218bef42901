// The text decoder: one pass over new tokens of any number of rows, each at its own position.
#pragma once

#include <memory>
#include <vector>

#include <sottovoce/dims.h>

#include "backend.h"
#include "model_impl.h"
#include "weights.h"

namespace sottovoce {

// What one decoder pass reads and writes besides the tokens.
struct DecoderPass {
  const ops::Backend& backend;
  const ModelDims& dims;
  const Weights& weights;
  const std::vector<std::shared_ptr<const CrossKV>>& cross;  // by window
  ops::KVArena& arena;
  CrossAttentionProbe* probe;    // null: nobody looks
  std::uint64_t& scratch_bytes;  // grows to the largest attention scratch
};

// The final hidden states of the inputs, before the last layer norm: (n_inputs, n_text_state).
ops::Array decode_inputs(const DecoderPass& pass, const ops::StepPlan& plan);

}  // namespace sottovoce
