// The caller's own rule on one row of logits, between the forward pass and the choice.
#pragma once

#include <cstdint>
#include <exception>
#include <vector>

#include <sottovoce/decoding.h>

#include "backend.h"

namespace sottovoce {

// Has the filter change row `row` of `logits` (at least row + 1, n_vocab), which come after
// `tokens`. Returns null, or why they stand as they were: the std::exception that it threw, or a
// ShapeError if it left NaN or +inf.
std::exception_ptr filter_logits(const LogitFilter& filter, const std::vector<int>& tokens,
                                 const ops::Backend& backend, std::int64_t row, ops::Array& logits);

}  // namespace sottovoce
