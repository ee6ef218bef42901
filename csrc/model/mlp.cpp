// The feed-forward half of a block.
#include "mlp.h"

namespace sottovoce {

void add_mlp(const ops::Context& context, const MlpWeights& weights, Tensor& normal, Tensor& hidden,
             Tensor& x) {
  const std::int64_t n_rows = x.shape()[0];
  const std::int64_t n = x.shape()[1];
  ops::layer_norm(context, x.data(), n_rows, n, weights.ln.weight, weights.ln.bias, normal.data());
  ops::linear(context, weights.up,
              {normal.data(), n, n_rows, hidden.data(), 4 * n, ops::Activation::kGelu});
  ops::linear(context, weights.down,
              {hidden.data(), 4 * n, n_rows, x.data(), n, ops::Activation::kNone, x.data(), n});
}

}  // namespace sottovoce
