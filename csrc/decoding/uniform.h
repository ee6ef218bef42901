// Random numbers that are a function of (seed, row, step) and keep nothing, so that what is drawn
// does not depend on threads, on batches or on what was drawn before.
#pragma once

#include <cstdint>

namespace sottovoce {

// Uniform on [0, 1), 53 bits: Philox4x32-10 (Salmon et al., SC 2011) of key `seed` at the counter
// (row, step, 0, 0).
double uniform(std::uint64_t seed, std::uint32_t row, std::uint32_t step);

}  // namespace sottovoce
