// A fast 64-bit checksum, for finding damage and telling files apart: not against forgery.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sottovoce {

// Of n bytes, continuing from `seed`. The same on every machine of the same byte order.
std::uint64_t checksum(const void* data, std::size_t n, std::uint64_t seed = 0);

}  // namespace sottovoce
