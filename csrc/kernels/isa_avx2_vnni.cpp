// The AVX2 table of CPUs with AVX-VNNI and without AVX-512 (Alder Lake and later).
#if defined(__x86_64__)

#include "isa.h"
#include "kernels.h"
#include "vec_avx2.h"

namespace sottovoce::kernels::avx2 {
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
}  // namespace sottovoce::kernels::avx2

namespace sottovoce::kernels {

extern const Table kAvx2VnniTable = avx2::make_table("avx2_vnni");

}  // namespace sottovoce::kernels

#endif  // defined(__x86_64__)
