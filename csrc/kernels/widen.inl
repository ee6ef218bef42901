// Half-precision bits to float32, and float32 to bfloat16 and bytes. Included inside an instruction
// set's namespace.

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

void to_bf16(const float* x, ptrdiff_t n, void* y) {
  auto* out = static_cast<uint16_t*>(y);
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    store_lanes_bf16(out + i, load_lanes(x + i, lanes, 0.0f), lanes);
  });
}

float quantize_i8(const float* x, ptrdiff_t n, void* y) {
  F32 largest = zero();
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    largest = max(largest, abs(load_lanes(x + i, lanes, 0.0f)));
  });
  const float magnitude = reduce_max(largest);
  // A row of zeros, or of numbers so small that no float could scale them to 127.
  const bool usable = magnitude > 1e-36f;
  const F32 factor = broadcast(usable ? 127.0f / magnitude : 0.0f);
  const F32 offset = broadcast(static_cast<float>(kInt8Offset));
  auto* out = static_cast<uint8_t*>(y);
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    const F32 whole = round(load_lanes(x + i, lanes, 0.0f) * factor) + offset;
    if (lanes == kLanes) {
      store_bytes(out + i, whole);
    } else {
      uint8_t all[kLanes];
      store_bytes(all, whole);
      __builtin_memcpy(out + i, all, static_cast<size_t>(lanes));
    }
  });
  return usable ? magnitude / 127.0f : 0.0f;
}
