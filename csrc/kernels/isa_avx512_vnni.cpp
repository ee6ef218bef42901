// The AVX-512 table of CPUs with VNNI (Ice Lake): dot products of bytes in one instruction.
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

extern const Table kAvx512VnniTable = avx512::make_table("avx512_vnni");

}  // namespace sottovoce::kernels

#endif  // defined(__x86_64__)
