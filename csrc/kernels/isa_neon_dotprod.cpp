// The NEON table of CPUs with SDOT (from Armv8.2 on): dot products of bytes in one instruction.
#if defined(__aarch64__)

#include "isa.h"
#include "kernels.h"
#include "vec_neon.h"

namespace sottovoce::kernels::neon {
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
}  // namespace sottovoce::kernels::neon

namespace sottovoce::kernels {

extern const Table kNeonDotprodTable = neon::make_table("neon_dotprod");

}  // namespace sottovoce::kernels

#endif  // defined(__aarch64__)
