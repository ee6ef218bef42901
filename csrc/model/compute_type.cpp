#include "compute_type.h"

#include <sottovoce/error.h>

namespace sottovoce {

ComputeType compute_type(const std::string& name, const std::string& isa) {
  if (name == "float32") return {name, DType::kFloat32, DType::kFloat32, DType::kFloat32};
  if (name == "bfloat16") return {name, DType::kBFloat16, DType::kBFloat16, DType::kBFloat16};
  if (name == "int8") return {name, DType::kInt8, DType::kBFloat16, DType::kBFloat16};
  // The portable table multiplies bytes no faster than floats.
  if (name == "auto") return compute_type(isa == "scalar" ? "float32" : "int8", isa);
  throw ShapeError("Model: compute_type must be 'float32', 'bfloat16', 'int8' or 'auto', got '" +
                   name + "'");
}

}  // namespace sottovoce
