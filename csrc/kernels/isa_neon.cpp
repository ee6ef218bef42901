// The NEON table, of every AArch64 CPU.
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

extern const Table kNeonTable = neon::make_table("neon");

}  // namespace sottovoce::kernels

#endif  // defined(__aarch64__)
