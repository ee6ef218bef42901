// The vector type of the portable table: four floats of the compiler's own vector extension, which
// every target can compile. A fused multiply-add is a multiplication and an addition here.
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

namespace sottovoce::kernels::scalar {
namespace {

typedef float F32 __attribute__((vector_size(16)));
typedef int32_t I32 __attribute__((vector_size(16)));

constexpr ptrdiff_t kLanes = 4;
constexpr int kGemmVectors = 2;  // 6 x 8 tile: 12 accumulators + 2 B + 1 A = 15 of 16 registers

inline F32 zero() { return F32{}; }
inline F32 broadcast(float x) { return F32{x, x, x, x}; }
inline F32 load(const float* p) {
  F32 v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
inline void store(float* p, F32 v) { __builtin_memcpy(p, &v, sizeof(v)); }
// The first n lanes from memory, the others `fill`.
inline F32 load_partial(const float* p, ptrdiff_t n, float fill) {
  F32 v = broadcast(fill);
  for (ptrdiff_t lane = 0; lane < n; ++lane) v[lane] = p[lane];
  return v;
}
inline void store_partial(float* p, F32 v, ptrdiff_t n) {
  for (ptrdiff_t lane = 0; lane < n; ++lane) p[lane] = v[lane];
}
inline F32 multiply_add(F32 a, F32 b, F32 c) { return a * b + c; }
inline F32 max(F32 a, F32 b) { return a > b ? a : b; }
inline F32 min(F32 a, F32 b) { return a < b ? a : b; }
inline F32 abs(F32 a) { return max(a, -a); }
// x where keep >= limit, else 0.
inline F32 zero_below(F32 x, F32 keep, F32 limit) { return keep >= limit ? x : zero(); }
inline F32 round(F32 a) {
  // Adding 1.5 * 2^23 leaves no fraction bits; |a| is below 2^22 wherever this is used.
  const F32 magic = broadcast(12582912.0f);
  return (a + magic) - magic;
}
inline F32 floor(F32 a) {
  for (int lane = 0; lane < kLanes; ++lane) a[lane] = __builtin_floorf(a[lane]);
  return a;
}
// x * 2^n for whole n in [-126, 127].
inline F32 scale_by_power(F32 x, F32 n) {
  const I32 bits = (__builtin_convertvector(n, I32) + 127) << 23;
  return x * reinterpret_cast<F32>(bits);
}
#include "power.inl"
inline float reduce_add(F32 a) { return (a[0] + a[2]) + (a[1] + a[3]); }
inline float reduce_max(F32 a) {
  float largest = a[0];
  for (int lane = 1; lane < kLanes; ++lane) largest = a[lane] > largest ? a[lane] : largest;
  return largest;
}
inline float widen_one_f16(uint16_t half);              // widen.inl
inline uint16_t load_bits(const void* x, ptrdiff_t i);  // likewise
inline F32 load_f16(const void* p) {
  F32 v;
  for (int lane = 0; lane < kLanes; ++lane) v[lane] = widen_one_f16(load_bits(p, lane));
  return v;
}
inline float square_root(float x) { return __builtin_sqrtf(x); }

inline I32 zero_words() { return I32{}; }
inline I32 load_words(const void* p) {
  I32 v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
inline void store_words(void* p, I32 v) { __builtin_memcpy(p, &v, sizeof(v)); }
inline I32 broadcast_word(const void* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return I32{word, word, word, word};
}
inline I32 add_words(I32 a, I32 b) { return a + b; }
inline I32 subtract_words(I32 a, I32 b) { return a - b; }
inline F32 to_float(I32 v) { return __builtin_convertvector(v, F32); }

typedef uint32_t U32 __attribute__((vector_size(16)));

// Words of two bfloat16 each: a signed byte of `even` and one of `odd`.
inline I32 pairs_of_bytes(const void* even, const void* odd) {
  const auto widened = [](const void* p) {
    int8_t bytes[kLanes];
    __builtin_memcpy(bytes, p, kLanes);
    return reinterpret_cast<U32>(to_float(I32{bytes[0], bytes[1], bytes[2], bytes[3]}));
  };
  return reinterpret_cast<I32>(widened(even) >> 16 | widened(odd));
}

// sum + the two products of bfloat16 in each word.
constexpr bool kHasBF16Dot = false;
inline F32 dot_bf16(I32 a, I32 b, F32 sum) {
  const auto odd = [](I32 v) {
    return reinterpret_cast<F32>(reinterpret_cast<U32>(v) & 0xffff0000u);
  };
  const auto even = [](I32 v) { return reinterpret_cast<F32>(reinterpret_cast<U32>(v) << 16); };
  return multiply_add(even(a), even(b), multiply_add(odd(a), odd(b), sum));
}

// sum + the four products of an unsigned byte of `a` and a signed byte of `b` in each word.
constexpr int32_t kInt8Offset = 128;
inline I32 dot_i8(I32 a, I32 b, I32 sum) {
  const U32 bits = reinterpret_cast<U32>(b);
  for (int byte = 0; byte < 4; ++byte) {
    const I32 weight = reinterpret_cast<I32>(bits << (24 - 8 * byte)) >> 24;
    sum += ((a >> (8 * byte)) & 0xff) * weight;
  }
  return sum;
}

inline void store_bf16(void* p, F32 v) {
  U32 bits = reinterpret_cast<U32>(v);
  bits += ((bits >> 16) & 1u) + 0x7fffu;
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto half = static_cast<uint16_t>(bits[lane] >> 16);
    __builtin_memcpy(static_cast<char*>(p) + 2 * lane, &half, sizeof(half));
  }
}
// Whole numbers 0..255 as bytes.
inline void store_bytes(void* p, F32 v) {
  for (int lane = 0; lane < kLanes; ++lane) {
    static_cast<uint8_t*>(p)[lane] = static_cast<uint8_t>(v[lane]);
  }
}

}  // namespace
}  // namespace sottovoce::kernels::scalar
