// The AVX-512 (F, BW, DQ, VL) table. Compiled with those flags; nothing but the table leaves
// this file.
#if defined(__x86_64__)

#include "isa.h"
#include "kernels.h"
#include "vec_avx512.h"

namespace sottovoce::kernels::avx512 {
namespace {

#include "table.inl"

}  // namespace
}  // namespace sottovoce::kernels::avx512

namespace sottovoce::kernels {

extern const Table kAvx512Table = avx512::make_table("avx512");

}  // namespace sottovoce::kernels

#endif  // defined(__x86_64__)
