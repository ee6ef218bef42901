// The vector types of the AVX-512 tables: sixteen floats or words of a zmm register. With VNNI and
// BF16 the dot products are instructions, without them a few more.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace sottovoce::kernels::avx512 {
namespace {

using F32 = __m512;
using I32 = __m512i;

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
inline F32 round(F32 a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// a - floor(a); 0 of infinity.
inline F32 fraction(F32 a) {
  return _mm512_reduce_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
// x * 2^floor(n).
inline F32 times_power(F32 x, F32 n) { return _mm512_scalef_ps(x, n); }
inline float reduce_add(F32 a) { return _mm512_reduce_add_ps(a); }
inline float reduce_max(F32 a) { return _mm512_reduce_max_ps(a); }
inline F32 load_f16(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline float square_root(float x) { return __builtin_sqrtf(x); }

inline I32 zero_words() { return _mm512_setzero_si512(); }
inline I32 load_words(const void* p) { return _mm512_loadu_si512(p); }
inline void store_words(void* p, I32 v) { _mm512_storeu_si512(p, v); }
inline I32 broadcast_word(const void* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return _mm512_set1_epi32(word);
}
inline I32 add_words(I32 a, I32 b) { return _mm512_add_epi32(a, b); }
inline I32 subtract_words(I32 a, I32 b) { return _mm512_sub_epi32(a, b); }
inline F32 to_float(I32 v) { return _mm512_cvtepi32_ps(v); }
// Words of two bfloat16 each: a signed byte of `even` and one of `odd`.
inline I32 pairs_of_bytes(const void* even, const void* odd) {
  const auto widened = [](const void* p) {
    const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
    return _mm512_castps_si512(to_float(_mm512_cvtepi8_epi32(bytes)));
  };
  return _mm512_or_si512(_mm512_srli_epi32(widened(even), 16), widened(odd));
}

#if defined(__AVX512BF16__)
constexpr bool kHasBF16Dot = true;
#else
constexpr bool kHasBF16Dot = false;
#endif
// sum + the two products of bfloat16 in each word.
inline F32 dot_bf16(I32 a, I32 b, F32 sum) {
#if defined(__AVX512BF16__)
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
#else
  const I32 high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  const auto odd = [high](I32 v) { return _mm512_castsi512_ps(_mm512_and_si512(v, high)); };
  const auto even = [](I32 v) { return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)); };
  return multiply_add(even(a), even(b), multiply_add(odd(a), odd(b), sum));
#endif
}

// sum + the four products of an unsigned byte of `a` and a signed byte of `b` in each word, exact.
constexpr int32_t kInt8Offset = 128;
inline I32 dot_i8(I32 a, I32 b, I32 sum) {
#if defined(__AVX512VNNI__)
  // In assembly: GCC 12 copies the sums of _mm512_dpbusd_epi32 through the stack.
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
#else
  const I32 low = _mm512_set1_epi16(0x00ff);
  const I32 even =
      _mm512_madd_epi16(_mm512_and_si512(a, low), _mm512_srai_epi16(_mm512_slli_epi16(b, 8), 8));
  const I32 odd = _mm512_madd_epi16(_mm512_srli_epi16(a, 8), _mm512_srai_epi16(b, 8));
  return add_words(sum, add_words(even, odd));
#endif
}

inline void store_bf16(void* p, F32 v) {
#if defined(__AVX512BF16__)
  _mm256_storeu_si256(static_cast<__m256i*>(p), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
#else
  const I32 bits = _mm512_castps_si512(v);
  const I32 lowest = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const I32 rounded = add_words(bits, add_words(lowest, _mm512_set1_epi32(0x7fff)));
  _mm256_storeu_si256(static_cast<__m256i*>(p),
                      _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
#endif
}
// Whole numbers 0..255 as bytes.
inline void store_bytes(void* p, F32 v) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

}  // namespace
}  // namespace sottovoce::kernels::avx512
