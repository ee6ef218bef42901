// The vector type of the AVX-512 table: sixteen floats of a zmm register.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace sottovoce::kernels::avx512 {
namespace {

using F32 = __m512;

constexpr ptrdiff_t kLanes = 16;
constexpr int kGemmVectors = 4;  // 6 x 64 tile: 24 accumulators + 4 B + 1 A = 29 of 32 zmm

inline F32 zero() { return _mm512_setzero_ps(); }
inline F32 broadcast(float x) { return _mm512_set1_ps(x); }
inline F32 load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, F32 v) { _mm512_storeu_ps(p, v); }
inline __mmask16 first_lanes(ptrdiff_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
// The first n lanes from memory, the others `fill`.
inline F32 load_partial(const float* p, ptrdiff_t n, float fill) {
  return _mm512_mask_loadu_ps(broadcast(fill), first_lanes(n), p);
}
inline void store_partial(float* p, F32 v, ptrdiff_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), v);
}
inline F32 multiply_add(F32 a, F32 b, F32 c) { return _mm512_fmadd_ps(a, b, c); }
inline F32 max(F32 a, F32 b) { return _mm512_max_ps(a, b); }
inline F32 min(F32 a, F32 b) { return _mm512_min_ps(a, b); }
inline F32 abs(F32 a) { return _mm512_abs_ps(a); }
// x where keep >= limit, else 0.
inline F32 zero_below(F32 x, F32 keep, F32 limit) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(keep, limit, _CMP_GE_OQ), x);
}
inline F32 round(F32 a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// x * 2^n for whole n in [-126, 127].
inline F32 scale_by_power(F32 x, F32 n) { return _mm512_scalef_ps(x, n); }
inline float reduce_add(F32 a) { return _mm512_reduce_add_ps(a); }
inline float reduce_max(F32 a) { return _mm512_reduce_max_ps(a); }
inline F32 load_f16(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline float square_root(float x) { return __builtin_sqrtf(x); }

}  // namespace
}  // namespace sottovoce::kernels::avx512
