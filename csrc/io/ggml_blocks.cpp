// A block is a float16 scale d, for some types a float16 minimum m, and 32 integers q: the numbers
// are d q + m. Of integers with 4 or 5 bits, byte j holds the low halves of number j (its low four
// bits) and of number j + 16 (its high four); fifth bits are a word of their own, bit j of number
// j.
#include "ggml_blocks.h"

#include <cmath>

namespace sottovoce::ggml {
namespace {

constexpr std::int64_t kHalf = kBlock / 2;

float half_at(const unsigned char* bytes) {
  const unsigned bits = bytes[0] | static_cast<unsigned>(bytes[1]) << 8;
  const unsigned exponent = bits >> 10 & 31;
  const auto fraction = static_cast<float>(bits & 1023);
  float value = 0.0f;
  if (exponent == 31) {
    value = fraction == 0.0f ? INFINITY : NAN;
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);  // subnormal
  } else {
    value = std::ldexp(1024.0f + fraction, static_cast<int>(exponent) - 25);
  }
  return bits >> 15 == 0 ? value : -value;
}

// Integers of 4 bits, or 5 with `fifths`; `zero` is the integer that stands for 0.
template <bool has_minimum, bool has_fifths, int zero>
void expand_nibbles(const unsigned char* block, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i, out += kBlock) {
    const float scale = half_at(block);
    block += 2;
    float minimum = 0.0f;
    if (has_minimum) {
      minimum = half_at(block);
      block += 2;
    }
    std::uint32_t fifths = 0;
    if (has_fifths) {
      for (int byte = 0; byte < 4; ++byte) fifths |= std::uint32_t{block[byte]} << (8 * byte);
      block += 4;
    }
    for (std::int64_t j = 0; j < kHalf; ++j) {
      const int low = (block[j] & 15) | static_cast<int>((fifths >> j & 1) << 4);
      const int high = block[j] >> 4 | static_cast<int>((fifths >> (j + kHalf) & 1) << 4);
      out[j] = static_cast<float>(low - zero) * scale + minimum;
      out[j + kHalf] = static_cast<float>(high - zero) * scale + minimum;
    }
    block += kHalf;
  }
}

void expand_bytes(const unsigned char* block, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i, out += kBlock) {
    const float scale = half_at(block);
    block += 2;
    for (std::int64_t j = 0; j < kBlock; ++j) {
      out[j] = static_cast<float>(static_cast<signed char>(block[j])) * scale;
    }
    block += kBlock;
  }
}

constexpr Type kTypes[] = {
    {0, "f32", 1, 4, nullptr},
    {1, "f16", 1, 2, nullptr},
    {2, "q4_0", kBlock, 18, expand_nibbles<false, false, 8>},
    {3, "q4_1", kBlock, 20, expand_nibbles<true, false, 0>},
    {6, "q5_0", kBlock, 22, expand_nibbles<false, true, 16>},
    {7, "q5_1", kBlock, 24, expand_nibbles<true, true, 0>},
    {8, "q8_0", kBlock, 34, expand_bytes},
};

}  // namespace

const Type* find_type(std::int32_t id) {
  for (const Type& type : kTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

}  // namespace sottovoce::ggml
