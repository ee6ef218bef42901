// Elements of any float dtype as float32.
#pragma once

#include <cstdint>

#include "host.h"

namespace sottovoce::ops {

// out[0..n) = elements of `source` from `first` on.
void widen(const Context& context, const TensorView& source, std::int64_t first, std::int64_t n,
           float* out);

}  // namespace sottovoce::ops
