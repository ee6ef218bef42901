// The text decoder: one pass over new tokens of any number of rows, each at its own position.
#pragma once

#include <cstdint>
#include <memory>

#include <sottovoce/dims.h>

#include "backend.h"
#include "model_impl.h"
#include "weights.h"

namespace sottovoce {

// Room for passes over n_inputs tokens, one at a time, reused by every block and by later passes.
struct DecoderWorkspace {
  DecoderWorkspace(const ops::Backend& backend, const ModelDims& dims, const Weights& weights,
                   std::int64_t inputs);

  std::int64_t n_inputs;
  ops::Array x;         // (n_inputs, n) residual stream; then the final hidden states
  ops::RowsPtr normal;  // (n_inputs, n) after a layer norm
  ops::Array qkv;       // (n_inputs, 3 n), columns q | k | v of self-attention
  ops::RowsPtr q;       // (n_inputs, n) of cross-attention
  ops::RowsPtr mixed;   // (n_inputs, n) out of attention
  std::unique_ptr<ops::MlpScratch> mlp;
};

// What one decoder pass reads and writes besides the tokens.
struct DecoderPass {
  const ops::Backend& backend;
  const ModelDims& dims;
  const Weights& weights;
  ops::KVArena& arena;
  DecoderWorkspace& work;
  ops::Look* look;               // null: nobody looks
  std::uint64_t& scratch_bytes;  // grows to the largest attention scratch
};

// Feeds the inputs of the plan; the logits that it wants are written to the first rows of `logits`
// (at least as many, n_vocab).
void decode_inputs(const DecoderPass& pass, const ops::StepPlan& plan, ops::Array& logits);

}  // namespace sottovoce
