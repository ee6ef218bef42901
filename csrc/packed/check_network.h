// Whether a network that was read has what its dims promise.
#pragma once

#include "host.h"
#include "packed_weights.h"

namespace sottovoce::packed {

// True if every count, shape and dtype is what a model of network.dims and network.weights.type
// packs for the context's kernels, which read by those and look no further.
bool is_whole(const ops::Context& context, const Network& network);

}  // namespace sottovoce::packed
