#include "compute_type.h"

#include <sottovoce/error.h>

namespace sottovoce {

ComputeType compute_type(const std::string& name, const std::string& isa) {
  constexpr DType kF32 = DType::kFloat32;
  constexpr DType kBF16 = DType::kBFloat16;
  if (name == "float32") return {name, kF32, kF32, kF32, kF32};
  if (name == "bfloat16") return {name, kBF16, kBF16, kBF16, kBF16};
  if (name == "int8") return {name, DType::kInt8, kBF16, kBF16, DType::kInt8};
  // The portable table multiplies bytes no faster than floats.
  if (name == "auto") return compute_type(isa == "scalar" ? "float32" : "int8", isa);
  throw ShapeError("Model: compute_type must be 'float32', 'bfloat16', 'int8' or 'auto', got '" +
                   name + "'");
}

}  // namespace sottovoce
