// The text decoder: one pass over new tokens of any number of rows, each at its own position.
#pragma once

#include <memory>
#include <vector>

#include <sottovoce/dims.h>
#include <sottovoce/tensor.h>

#include "kv_cache.h"
#include "model_impl.h"
#include "ops.h"
#include "weights.h"

namespace sottovoce {

// One new token of one row. Tokens of a row stand in order; rows of a window stand together.
struct DecoderInput {
  int row = 0;
  int token = 0;
  int pos = 0;  // position in the row, already opened in the cache
};

// What one decoder pass reads and writes besides the tokens.
struct DecoderPass {
  const ops::Context& context;
  const ModelDims& dims;
  const Weights& weights;
  const std::vector<std::shared_ptr<const CrossKV>>& cross;  // by window
  const std::vector<int>& window_of_row;                     // (n_rows)
  KVCache& cache;
  CrossAttentionProbe* probe;    // null: nobody looks
  std::uint64_t& scratch_bytes;  // grows to the largest attention scratch
};

// The final hidden states of the inputs, before the last layer norm: (n_inputs, n_text_state).
Tensor decode_inputs(const DecoderPass& pass, const std::vector<DecoderInput>& inputs);

// logits (n_hidden, n_vocab) = layer_norm(hidden) embedding^T. Of row i those from first[i] on
// count: the others may be -inf.
void project_logits(const ops::Context& context, const Weights& weights, const Tensor& hidden,
                    const std::vector<int>& first, float* logits);

}  // namespace sottovoce
