#include "host_memory.h"

#include <cstring>
#include <utility>

namespace sottovoce::ops {

Tensor make_tensor(const CpuContext& context, Shape shape, DType dtype) {
  if (!context.memory) return Tensor(std::move(shape), dtype);
  const std::size_t n_bytes = static_cast<std::size_t>(n_elements(shape)) * size_of(dtype);
  return Tensor::over(context.memory->take(n_bytes), std::move(shape), dtype);
}

Tensor zero_tensor(const CpuContext& context, Shape shape, DType dtype) {
  Tensor tensor = make_tensor(context, std::move(shape), dtype);
  std::memset(tensor.raw(), 0, tensor.n_bytes());
  return tensor;
}

}  // namespace sottovoce::ops
