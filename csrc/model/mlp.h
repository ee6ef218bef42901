// The feed-forward half of every block, encoder and decoder alike.
#pragma once

#include "backend.h"
#include "weights.h"

namespace sottovoce {

// Room of an MLP over up to n_rows rows, of which as many pass through it at a time as the back end
// likes.
struct MlpScratch {
  MlpScratch(const ops::Backend& backend, std::int64_t n_rows, std::int64_t n_state, DType dtype);

  ops::RowsPtr normal;  // (rows at a time, n_state) after a layer norm
  ops::RowsPtr hidden;  // (rows at a time, 4 n_state)
};

// x (n_rows, n_state) += down(gelu(up(layer_norm(x)))).
void add_mlp(const ops::Backend& backend, const MlpWeights& weights, MlpScratch& scratch,
             ops::Array& x);

}  // namespace sottovoce
