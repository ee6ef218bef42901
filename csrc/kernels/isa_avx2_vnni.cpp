// The AVX2 table of CPUs with AVX-VNNI and without AVX-512 (Alder Lake and later).
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

extern const Table kAvx2VnniTable = avx2::make_table("avx2_vnni");

}  // namespace sottovoce::kernels

#endif  // defined(__x86_64__)
