// The running median of a row of numbers.
#pragma once

#include <cstdint>

namespace sottovoce {

// Positions that are mirrored at either end of a row of n: none if the row is too short for it, and
// then it is not filtered.
std::int64_t median_filter_padding(std::int64_t n, int width);

// out[i] = the median of x[i - padding .. i + padding], x (n) between `padding` elements of room
// that become its mirror images: x[-1] = x[1], x[n] = x[n - 2]. NaN is above all numbers. `window`
// is room for `width` elements; width is odd, padding = median_filter_padding(n, width).
void median_filter(float* x, std::int64_t n, int width, float* window, float* out);

}  // namespace sottovoce
