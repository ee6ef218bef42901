// The AVX-512 (F, BW, DQ, VL) table. Compiled with those flags; nothing but the table leaves
// this file.
#if defined(__x86_64__)

#include "isa.h"
#include "kernels.h"
#include "vec_avx512.h"

namespace sottovoce::kernels::avx512 {
namespace {

// clang-format off: each uses what stands above it
#include "lanes.inl"
#include "math.inl"
#include "gemm.inl"
#include "power_spectrum.inl"
#include "rows.inl"
#include "widen.inl"
#include "table.inl"
// clang-format on

}  // namespace
}  // namespace sottovoce::kernels::avx512

namespace sottovoce::kernels {

extern const Table kAvx512Table = avx512::make_table("avx512");

}  // namespace sottovoce::kernels

#endif  // defined(__x86_64__)
