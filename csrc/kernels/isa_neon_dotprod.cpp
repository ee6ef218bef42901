// The NEON table of CPUs with SDOT (from Armv8.2 on): dot products of bytes in one instruction.
#if defined(__aarch64__)

#include "isa.h"
#include "kernels.h"
#include "vec_neon.h"

namespace sottovoce::kernels::neon {
namespace {

#include "table.inl"

}  // namespace
}  // namespace sottovoce::kernels::neon

namespace sottovoce::kernels {

extern const Table kNeonDotprodTable = neon::make_table("neon_dotprod");

}  // namespace sottovoce::kernels

#endif  // defined(__aarch64__)
