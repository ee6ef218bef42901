// The feed-forward half of a block.
#include "mlp.h"

#include <algorithm>

namespace sottovoce {

namespace {

constexpr std::int64_t kBlockRows = 300;  // of 1500, in whole register tiles

}  // namespace

MlpScratch::MlpScratch(std::int64_t n_rows, std::int64_t n_state, DType dtype)
    : normal(std::min(n_rows, kBlockRows), n_state, dtype),
      hidden(std::min(n_rows, kBlockRows), 4 * n_state, dtype) {}

void add_mlp(const ops::Context& context, const MlpWeights& weights, MlpScratch& scratch,
             Tensor& x) {
  const std::int64_t n_rows = x.shape()[0];
  for (std::int64_t first = 0; first < n_rows; first += kBlockRows) {
    float* rows = x.data() + first * x.shape()[1];
    scratch.normal.use_rows(std::min(kBlockRows, n_rows - first));
    scratch.hidden.use_rows(scratch.normal.n_rows());
    ops::layer_norm(context, rows, weights.ln.weight, weights.ln.bias, scratch.normal);
    ops::linear(context, weights.up, scratch.normal, ops::Activation::kGelu, scratch.hidden);
    ops::add_linear(context, weights.down, scratch.hidden, rows);
  }
}

}  // namespace sottovoce
