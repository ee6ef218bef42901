// What the host does for any back end: it checks and converts the memory that callers and
// checkpoints bring, with the threads and the kernels of a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sottovoce/tensor.h>

#include "threads.h"

namespace sottovoce::kernels {
struct Table;
}

namespace sottovoce::ops {

// Where and how the host computes: belongs to a model instance, never to the process.
struct Context {
  const kernels::Table* kernels = nullptr;
  Threads* threads = nullptr;
};

// The context of a new model. Throws ShapeError if the instruction set is not to be had.
Context make_context(const std::string& isa, Threads& threads);
const char* isa_name(const Context& context);

// One block of a fused linear layer: `weight` (n, k) of any float dtype, scaled by `scale`; `bias`
// (n) or none, which packs as zeros.
struct LinearBlock {
  TensorView weight;
  const TensorView* bias = nullptr;
  float scale = 1.0f;
  const Tensor* column_scales = nullptr;  // (k), or null: multiply the columns of the weight
};

// out[0..n) = elements of `source`, of any float dtype, from `first` on.
void widen(const Context& context, const TensorView& source, std::int64_t first, std::int64_t n,
           float* out);
// The largest magnitude in each column of weights (n, k) of any float dtype together: (k).
Tensor column_maxima(const Context& context, const std::vector<LinearBlock>& blocks);
// False if an element is infinite or not a number.
bool all_finite(const Context& context, const TensorView& source);
// A copy in float32, from any float dtype.
Tensor to_float32(const Context& context, const TensorView& source);
// In place, each row of n: exp(x - max) / sum.
void softmax_rows(const Context& context, float* x, std::int64_t n_rows, std::int64_t n);

}  // namespace sottovoce::ops
