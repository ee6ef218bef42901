// The feed-forward half of every block, encoder and decoder alike.
#pragma once

#include <sottovoce/tensor.h>

#include "ops.h"
#include "weights.h"

namespace sottovoce {

// Buffers of an MLP over up to n_rows rows. Many rows pass through it a block at a time, so that
// the hidden layer stays in the cache.
struct MlpScratch {
  MlpScratch(std::int64_t n_rows, std::int64_t n_state, DType dtype);

  ops::Activations normal;  // (rows of a block, n_state) after a layer norm
  ops::Activations hidden;  // (rows of a block, 4 n_state)
};

// x (n_rows, n_state) += down(gelu(up(layer_norm(x)))).
void add_mlp(const ops::Context& context, const MlpWeights& weights, MlpScratch& scratch,
             Tensor& x);

}  // namespace sottovoce
