// The AVX-512 table of CPUs with VNNI and BF16 (Zen 4, Sapphire Rapids, Cooper Lake and later).
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

extern const Table kAvx512Bf16Table = avx512::make_table("avx512_bf16");

}  // namespace sottovoce::kernels

#endif  // defined(__x86_64__)
