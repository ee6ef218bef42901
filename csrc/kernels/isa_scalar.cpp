// The portable table: compiled for the baseline of the target, runs everywhere.
#include "isa.h"
#include "kernels.h"
#include "vec_scalar.h"

namespace sottovoce::kernels::scalar {
namespace {

#include "table.inl"

}  // namespace
}  // namespace sottovoce::kernels::scalar

namespace sottovoce::kernels {

extern const Table kScalarTable = scalar::make_table("scalar");

}  // namespace sottovoce::kernels
