// Tensors: sizes, names and aligned memory.
#include <sottovoce/tensor.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace sottovoce {

std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return 4;
    case DType::kFloat16:
    case DType::kBFloat16:
      return 2;
    case DType::kInt8:
      return 1;
  }
  return 0;
}

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "float32";
    case DType::kFloat16:
      return "float16";
    case DType::kBFloat16:
      return "bfloat16";
    case DType::kInt8:
      return "int8";
  }
  return "?";
}

std::int64_t n_elements(const Shape& shape) {
  std::int64_t n = 1;
  for (std::int64_t extent : shape) n *= extent;
  return n;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string(shape[axis]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

Tensor::Tensor(Shape shape) : shape_(std::move(shape)) {
  constexpr std::size_t kAlignment = 64;
  const std::size_t n_bytes_aligned = (n_bytes() + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, n_bytes_aligned > 0 ? n_bytes_aligned : kAlignment);
  if (memory == nullptr) throw std::bad_alloc();
  data_.reset(static_cast<float*>(memory));
}

Tensor Tensor::zeros(Shape shape) {
  Tensor tensor(std::move(shape));
  std::memset(tensor.data(), 0, tensor.n_bytes());
  return tensor;
}

void Tensor::Free::operator()(float* p) const noexcept { std::free(p); }

}  // namespace sottovoce
