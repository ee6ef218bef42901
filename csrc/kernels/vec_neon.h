// The vector types of the AArch64 tables: four floats or words of a NEON register, whose + - * the
// compiler knows. With SDOT the dot products of bytes are one instruction, without it a few more.
#pragma once

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

namespace sottovoce::kernels::neon {
namespace {

using F32 = float32x4_t;
using I32 = int32x4_t;

constexpr ptrdiff_t kLanes = 4;
constexpr int kGemmVectors = 4;  // 6 x 16 tile: 24 accumulators + 4 B + 1 A = 29 of 32 registers

inline F32 zero() { return vdupq_n_f32(0.0f); }
inline F32 broadcast(float x) { return vdupq_n_f32(x); }
inline F32 load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, F32 v) { vst1q_f32(p, v); }
// The first n lanes from memory, the others `fill`.
inline F32 load_partial(const float* p, ptrdiff_t n, float fill) {
  float all[kLanes] = {fill, fill, fill, fill};
  for (ptrdiff_t lane = 0; lane < n; ++lane) all[lane] = p[lane];
  return load(all);
}
inline void store_partial(float* p, F32 v, ptrdiff_t n) {
  float all[kLanes];
  store(all, v);
  for (ptrdiff_t lane = 0; lane < n; ++lane) p[lane] = all[lane];
}
inline F32 multiply_add(F32 a, F32 b, F32 c) { return vfmaq_f32(c, a, b); }
// The number where the other is NaN; on other CPUs, the second.
inline F32 max(F32 a, F32 b) { return vmaxnmq_f32(a, b); }
inline F32 min(F32 a, F32 b) { return vminnmq_f32(a, b); }
inline F32 abs(F32 a) { return vabsq_f32(a); }
// x where keep >= limit, else 0.
inline F32 zero_below(F32 x, F32 keep, F32 limit) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vcgeq_f32(keep, limit)));
}
inline F32 round(F32 a) { return vrndnq_f32(a); }
inline F32 floor(F32 a) { return vrndmq_f32(a); }
// x * 2^n for whole n in [-126, 127].
inline F32 scale_by_power(F32 x, F32 n) {
  const I32 exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
  return vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}
#include "power.inl"
inline float reduce_add(F32 a) { return vaddvq_f32(a); }
inline float reduce_max(F32 a) { return vmaxnmvq_f32(a); }
inline F32 load_f16(const void* p) {
  float16x4_t halves;
  __builtin_memcpy(&halves, p, sizeof(halves));
  return vcvt_f32_f16(halves);
}
inline float square_root(float x) { return __builtin_sqrtf(x); }

inline I32 zero_words() { return vdupq_n_s32(0); }
inline I32 load_words(const void* p) {
  I32 v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
inline void store_words(void* p, I32 v) { __builtin_memcpy(p, &v, sizeof(v)); }
inline I32 broadcast_word(const void* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return vdupq_n_s32(word);
}
inline I32 add_words(I32 a, I32 b) { return vaddq_s32(a, b); }
inline I32 subtract_words(I32 a, I32 b) { return vsubq_s32(a, b); }
inline F32 to_float(I32 v) { return vcvtq_f32_s32(v); }
// Words of two bfloat16 each: a signed byte of `even` and one of `odd`.
inline I32 pairs_of_bytes(const void* even, const void* odd) {
  const auto widened = [](const void* p) {
    int8x8_t bytes = vdup_n_s8(0);
    __builtin_memcpy(&bytes, p, kLanes);
    const I32 words = vmovl_s16(vget_low_s16(vmovl_s8(bytes)));
    return vreinterpretq_u32_f32(to_float(words));
  };
  return vreinterpretq_s32_u32(vorrq_u32(vshrq_n_u32(widened(even), 16), widened(odd)));
}

// sum + the two products of bfloat16 in each word.
constexpr bool kHasBF16Dot = false;
inline F32 dot_bf16(I32 a, I32 b, F32 sum) {
  const I32 high = vdupq_n_s32(static_cast<int32_t>(0xffff0000u));
  const auto odd = [high](I32 v) { return vreinterpretq_f32_s32(vandq_s32(v, high)); };
  const auto even = [](I32 v) { return vreinterpretq_f32_s32(vshlq_n_s32(v, 16)); };
  return multiply_add(even(a), even(b), multiply_add(odd(a), odd(b), sum));
}

// sum + the four products of signed bytes in each word, exact: activations need no offset here.
constexpr int32_t kInt8Offset = 0;
inline I32 dot_i8(I32 a, I32 b, I32 sum) {
  const int8x16_t x = vreinterpretq_s8_s32(a);
  const int8x16_t y = vreinterpretq_s8_s32(b);
#if defined(__ARM_FEATURE_DOTPROD)
  return vdotq_s32(sum, x, y);
#else
  // Two products fit 16 bits unless all four bytes are -128, which quantize_i8 never gives.
  const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(y));
  const int16x8_t high = vmull_high_s8(x, y);
  return vpadalq_s16(sum, vpaddq_s16(low, high));
#endif
}

inline void store_bf16(void* p, F32 v) {
  const uint32x4_t bits = vreinterpretq_u32_f32(v);
  const uint32x4_t lowest = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(lowest, vdupq_n_u32(0x7fff)));
  const uint16x4_t halves = vshrn_n_u32(rounded, 16);
  __builtin_memcpy(p, &halves, sizeof(halves));
}
// Whole numbers -127..127 as bytes.
inline void store_bytes(void* p, F32 v) {
  const int16x4_t halves = vmovn_s32(vcvtq_s32_f32(v));
  const int8x8_t bytes = vmovn_s16(vcombine_s16(halves, halves));
  __builtin_memcpy(p, &bytes, kLanes);
}

}  // namespace
}  // namespace sottovoce::kernels::neon
