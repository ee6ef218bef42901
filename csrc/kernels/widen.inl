// Half-precision bits to float32. Included inside an instruction set's namespace.

inline float widen_one_f16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  uint32_t magnitude = half & 0x7fffu;
  float value;
  if (magnitude >= 0x7c00u) {  // infinity, NaN
    magnitude = 0x7f800000u | ((magnitude & 0x3ffu) << 13);
    __builtin_memcpy(&value, &magnitude, sizeof(value));
  } else {
    // Exponents differ by 112; a product with 2^112 also puts subnormals right.
    magnitude <<= 13;
    __builtin_memcpy(&value, &magnitude, sizeof(value));
    value *= 0x1p112f;
  }
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  bits |= sign;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

inline uint16_t load_bits(const void* x, ptrdiff_t i) {
  uint16_t bits;
  __builtin_memcpy(&bits, static_cast<const char*>(x) + 2 * i, sizeof(bits));
  return bits;
}

void widen_f16(const void* x, ptrdiff_t n, float* y) {
  ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load_f16(static_cast<const char*>(x) + 2 * i));
  for (; i < n; ++i) y[i] = widen_one_f16(load_bits(x, i));
}

void widen_bf16(const void* x, ptrdiff_t n, float* y) {
  for (ptrdiff_t i = 0; i < n; ++i) {
    const uint32_t bits = static_cast<uint32_t>(load_bits(x, i)) << 16;
    __builtin_memcpy(y + i, &bits, sizeof(bits));
  }
}
