// The vector types of the AVX2 + FMA tables: eight floats or words of a ymm register. With AVX-VNNI
// the dot products of bytes are one instruction, without it a few more.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace sottovoce::kernels::avx2 {
namespace {

using F32 = __m256;
using I32 = __m256i;

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
inline F32 floor(F32 a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
// x * 2^n for whole n in [-126, 127].
inline F32 scale_by_power(F32 x, F32 n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
#include "power.inl"
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

inline I32 zero_words() { return _mm256_setzero_si256(); }
inline I32 load_words(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store_words(void* p, I32 v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
inline I32 broadcast_word(const void* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return _mm256_set1_epi32(word);
}
inline I32 add_words(I32 a, I32 b) { return _mm256_add_epi32(a, b); }
inline I32 subtract_words(I32 a, I32 b) { return _mm256_sub_epi32(a, b); }
inline F32 to_float(I32 v) { return _mm256_cvtepi32_ps(v); }
// Words of two bfloat16 each: a signed byte of `even` and one of `odd`.
inline I32 pairs_of_bytes(const void* even, const void* odd) {
  const auto widened = [](const void* p) {
    const __m128i bytes = _mm_loadl_epi64(static_cast<const __m128i*>(p));
    return _mm256_castps_si256(to_float(_mm256_cvtepi8_epi32(bytes)));
  };
  return _mm256_or_si256(_mm256_srli_epi32(widened(even), 16), widened(odd));
}

// sum + the two products of bfloat16 in each word.
constexpr bool kHasBF16Dot = false;
inline F32 dot_bf16(I32 a, I32 b, F32 sum) {
  const I32 high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  const auto odd = [high](I32 v) { return _mm256_castsi256_ps(_mm256_and_si256(v, high)); };
  const auto even = [](I32 v) { return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16)); };
  return multiply_add(even(a), even(b), multiply_add(odd(a), odd(b), sum));
}

// sum + the four products of an unsigned byte of `a` and a signed byte of `b` in each word, exact
// (vpmaddubsw would saturate).
constexpr int32_t kInt8Offset = 128;
inline I32 dot_i8(I32 a, I32 b, I32 sum) {
#if defined(__AVXVNNI__)
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
  return sum;
#else
  const I32 low = _mm256_set1_epi16(0x00ff);
  const I32 even =
      _mm256_madd_epi16(_mm256_and_si256(a, low), _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  const I32 odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return add_words(sum, add_words(even, odd));
#endif
}

// The low halves of eight words.
inline __m128i narrow(I32 words) {
  const I32 packed = _mm256_packus_epi32(words, words);
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0xd8));
}
inline void store_bf16(void* p, F32 v) {
  const I32 bits = _mm256_castps_si256(v);
  const I32 lowest = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const I32 rounded = add_words(bits, add_words(lowest, _mm256_set1_epi32(0x7fff)));
  _mm_storeu_si128(static_cast<__m128i*>(p), narrow(_mm256_srli_epi32(rounded, 16)));
}
// Whole numbers 0..255 as bytes.
inline void store_bytes(void* p, F32 v) {
  const __m128i halves = narrow(_mm256_cvtps_epi32(v));
  _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packus_epi16(halves, halves));
}

}  // namespace
}  // namespace sottovoce::kernels::avx2
