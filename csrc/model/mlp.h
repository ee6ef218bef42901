// The feed-forward half of every block, encoder and decoder alike.
#pragma once

#include <sottovoce/tensor.h>

#include "ops.h"
#include "weights.h"

namespace sottovoce {

// x (n_rows, n_state) += down(gelu(up(layer_norm(x)))). `normal` (n_rows, n_state) and `hidden`
// (n_rows, 4 n_state) are scratch.
void add_mlp(const ops::Context& context, const MlpWeights& weights, ops::Activations& normal,
             ops::Activations& hidden, Tensor& x);

}  // namespace sottovoce
