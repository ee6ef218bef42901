// The feed-forward half of a block.
#include "mlp.h"

namespace sottovoce {

void add_mlp(const ops::Context& context, const MlpWeights& weights, ops::Activations& normal,
             ops::Activations& hidden, Tensor& x) {
  ops::layer_norm(context, x, weights.ln.weight, weights.ln.bias, normal);
  ops::linear(context, weights.up, normal.view(), ops::Activation::kGelu, hidden);
  ops::add_linear(context, weights.down, hidden.view(), x);
}

}  // namespace sottovoce
