// The NEON table, of every AArch64 CPU.
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

extern const Table kNeonTable = neon::make_table("neon");

}  // namespace sottovoce::kernels

#endif  // defined(__aarch64__)
