// What a CPU computes in, by name.
#include "compute_type.h"

#include <cstring>

#include <sottovoce/error.h>

#include "cpu_backend.h"
#include "kernels.h"

namespace sottovoce::ops {

// Without a dot product of bfloat16 a kernel makes it of float32's, which takes longer than to
// multiply those at once. So bfloat16 is left there to what reads more than it computes: the
// weights of linear layers, half as many bytes for a token, and a window's keys and values.
ComputeType CpuBackend::compute_type(const std::string& name) const {
  constexpr DType kF32 = DType::kFloat32;
  constexpr DType kBF16 = DType::kBFloat16;
  const DType shorter = host().kernels->has_bf16_dot ? kBF16 : kF32;
  if (name == "float32") return {name, kF32, kF32, kF32, kF32};
  if (name == "bfloat16") return {name, kBF16, shorter, shorter, kBF16};
  if (name == "int8") return {name, DType::kInt8, shorter, shorter, DType::kInt8};
  // The portable table multiplies bytes no faster than floats.
  if (name == "auto") {
    const bool portable = std::strcmp(isa_name(host()), "scalar") == 0;
    return compute_type(portable ? "float32" : "int8");
  }
  throw ShapeError("Model: compute_type must be 'float32', 'bfloat16', 'int8' or 'auto', got '" +
                   name + "'");
}

}  // namespace sottovoce::ops
