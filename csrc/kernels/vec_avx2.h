// The vector type of the AVX2 + FMA table: eight floats of a ymm register.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace sottovoce::kernels::avx2 {
namespace {

using F32 = __m256;

constexpr ptrdiff_t kLanes = 8;
constexpr int kGemmVectors = 2;  // 6 x 16 tile: 12 accumulators + 2 B + 1 A = 15 of 16 ymm

inline F32 zero() { return _mm256_setzero_ps(); }
inline F32 broadcast(float x) { return _mm256_set1_ps(x); }
inline F32 load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, F32 v) { _mm256_storeu_ps(p, v); }
inline __m256i first_lanes(ptrdiff_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}
// The first n lanes from memory, the others `fill`.
inline F32 load_partial(const float* p, ptrdiff_t n, float fill) {
  const __m256i mask = first_lanes(n);
  return _mm256_blendv_ps(broadcast(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
inline void store_partial(float* p, F32 v, ptrdiff_t n) {
  _mm256_maskstore_ps(p, first_lanes(n), v);
}
inline F32 multiply_add(F32 a, F32 b, F32 c) { return _mm256_fmadd_ps(a, b, c); }
inline F32 max(F32 a, F32 b) { return _mm256_max_ps(a, b); }
inline F32 min(F32 a, F32 b) { return _mm256_min_ps(a, b); }
inline F32 abs(F32 a) { return _mm256_andnot_ps(broadcast(-0.0f), a); }
// x where keep >= limit, else 0.
inline F32 zero_below(F32 x, F32 keep, F32 limit) {
  return _mm256_and_ps(x, _mm256_cmp_ps(keep, limit, _CMP_GE_OQ));
}
inline F32 round(F32 a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// x * 2^n for whole n in [-126, 127].
inline F32 scale_by_power(F32 x, F32 n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
inline float reduce_add(F32 a) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
inline float reduce_max(F32 a) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
inline F32 load_f16(const void* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline float square_root(float x) { return __builtin_sqrtf(x); }

}  // namespace
}  // namespace sottovoce::kernels::avx2
