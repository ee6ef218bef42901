// The AVX2 + FMA table. Compiled with those flags; nothing but the table leaves this file.
#if defined(__x86_64__)

#include "isa.h"
#include "kernels.h"
#include "vec_avx2.h"

namespace sottovoce::kernels::avx2 {
namespace {

#include "table.inl"

}  // namespace
}  // namespace sottovoce::kernels::avx2

namespace sottovoce::kernels {

extern const Table kAvx2Table = avx2::make_table("avx2");

}  // namespace sottovoce::kernels

#endif  // defined(__x86_64__)
