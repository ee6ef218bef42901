// The portable table: compiled for the baseline of the target, runs everywhere.
#include "isa.h"
#include "kernels.h"
#include "vec_scalar.h"

namespace sottovoce::kernels::scalar {
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
}  // namespace sottovoce::kernels::scalar

namespace sottovoce::kernels {

extern const Table kScalarTable = scalar::make_table("scalar");

}  // namespace sottovoce::kernels
