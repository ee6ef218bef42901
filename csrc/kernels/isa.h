// The tables that instruction sets define, one a translation unit.
#pragma once

#include "kernels.h"

namespace sottovoce::kernels {

extern const Table kScalarTable;
#if defined(__x86_64__)
extern const Table kAvx2Table;
extern const Table kAvx2VnniTable;
extern const Table kAvx512Table;
extern const Table kAvx512VnniTable;
extern const Table kAvx512Bf16Table;
#elif defined(__aarch64__)
extern const Table kNeonTable;
extern const Table kNeonDotprodTable;
#endif

}  // namespace sottovoce::kernels
