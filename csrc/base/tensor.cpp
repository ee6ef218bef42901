// Tensors: sizes, names and aligned memory.
#include <sottovoce/tensor.h>

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

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

Tensor::Tensor(Shape shape, DType dtype) : shape_(std::move(shape)), dtype_(dtype) {
  constexpr std::size_t kAlignment = 64;
  void* memory = nullptr;
  const std::size_t used = static_cast<std::size_t>(n_elements(shape_)) * size_of(dtype_);
  const std::size_t allocated = (used + 2 * kAlignment - 1) / kAlignment * kAlignment;
  if (posix_memalign(&memory, kAlignment, allocated) != 0) throw std::bad_alloc();
  std::memset(static_cast<char*>(memory) + used, 0, kAlignment);
  memory_.reset(memory, std::free);
}

void Tensor::use_huge_pages() {
  constexpr std::uintptr_t kHugePage = std::uintptr_t{2} << 20;
  const auto data = reinterpret_cast<std::uintptr_t>(raw());
  const std::uintptr_t begin = (data + kHugePage - 1) / kHugePage * kHugePage;
  const std::uintptr_t end = (data + n_bytes()) / kHugePage * kHugePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

Tensor Tensor::zeros(Shape shape, DType dtype) {
  Tensor tensor(std::move(shape), dtype);
  std::memset(tensor.raw(), 0, tensor.n_bytes());
  return tensor;
}

Tensor Tensor::over(std::shared_ptr<void> memory, Shape shape, DType dtype) {
  Tensor tensor;
  tensor.memory_ = std::move(memory);
  tensor.shape_ = std::move(shape);
  tensor.dtype_ = dtype;
  return tensor;
}

}  // namespace sottovoce
