#include "mlp.h"

#include <algorithm>

namespace sottovoce {

MlpScratch::MlpScratch(const ops::Backend& backend, std::int64_t n_rows, std::int64_t n_state,
                       DType dtype)
    : normal(backend.rows(std::min(n_rows, backend.mlp_rows()), n_state, dtype)),
      hidden(backend.rows(std::min(n_rows, backend.mlp_rows()), 4 * n_state, dtype)) {}

void add_mlp(const ops::Backend& backend, const MlpWeights& weights, MlpScratch& scratch,
             ops::Array& x) {
  backend.add_mlp(weights.ln, *weights.up, *weights.down, *scratch.normal, *scratch.hidden, x);
}

}  // namespace sottovoce
