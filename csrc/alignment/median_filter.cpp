#include "median_filter.h"

#include <algorithm>
#include <cmath>

namespace sottovoce {

namespace {

// As minimum and maximum instructions have it.
void sort(float& a, float& b) {
  const float less = a < b ? a : b;
  b = a < b ? b : a;
  a = less;
}

// The median of seven: pairs are sorted until three are known to be below it and three above
// (13 comparisons, Devillard's "Fast median search", 1998).
float median_of_7(const float* x) {
  float v[7] = {x[0], x[1], x[2], x[3], x[4], x[5], x[6]};
  sort(v[0], v[5]);
  sort(v[0], v[3]);
  sort(v[1], v[6]);
  sort(v[2], v[4]);
  sort(v[0], v[1]);
  sort(v[3], v[5]);
  sort(v[2], v[6]);
  sort(v[2], v[3]);
  sort(v[3], v[6]);
  sort(v[4], v[5]);
  sort(v[1], v[4]);
  sort(v[1], v[3]);
  sort(v[3], v[4]);
  return v[3];
}

bool has_nan(const float* x, std::int64_t n) {
  int found = 0;
#pragma omp simd reduction(| : found)
  for (std::int64_t i = 0; i < n; ++i) found |= x[i] != x[i];
  return found != 0;
}

bool is_less(float a, float b) { return a < b || (std::isnan(b) && !std::isnan(a)); }

void mirror(float* x, std::int64_t n, std::int64_t padding) {
  for (std::int64_t i = 1; i <= padding; ++i) {
    x[-i] = x[i];
    x[n - 1 + i] = x[n - 1 - i];
  }
}

}  // namespace

std::int64_t median_filter_padding(std::int64_t n, int width) {
  const std::int64_t padding = width / 2;
  return n > padding ? padding : 0;
}

void median_filter(float* x, std::int64_t n, int width, float* window, float* out) {
  const std::int64_t padding = median_filter_padding(n, width);
  if (padding == 0) {
    std::copy_n(x, n, out);
    return;
  }
  mirror(x, n, padding);
  if (width == 7 && !has_nan(x, n)) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) out[i] = median_of_7(x + i - 3);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    std::copy_n(x + i - padding, width, window);
    std::nth_element(window, window + padding, window + width, is_less);
    out[i] = window[padding];
  }
}

}  // namespace sottovoce
