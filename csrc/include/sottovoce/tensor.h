// Dense, contiguous, row-major tensors: a view that owns nothing, and an aligned owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sottovoce {

enum class DType : std::uint8_t { kFloat32, kFloat16, kBFloat16, kInt8 };

std::size_t size_of(DType dtype);  // bytes of one element
const char* name_of(DType dtype);  // "float32", "float16", "bfloat16", "int8"

using Shape = std::vector<std::int64_t>;

std::int64_t n_elements(const Shape& shape);  // product; 1 for a scalar
std::string to_string(const Shape& shape);    // "(3, 384)"

// Memory that somebody else keeps alive. A view into a file need not be aligned to its elements.
struct TensorView {
  const void* data = nullptr;
  DType dtype = DType::kFloat32;
  Shape shape;

  std::int64_t size() const { return n_elements(shape); }
  std::size_t n_bytes() const { return static_cast<std::size_t>(size()) * size_of(dtype); }
  std::string describe() const { return to_string(shape) + " " + name_of(dtype); }
  // The data as float32; the caller has checked the dtype and knows that it is aligned.
  const float* f32() const { return static_cast<const float*>(data); }
};

// Memory aligned to a cache line (64 bytes), uninitialised unless said otherwise. 64 bytes of zeros
// follow the elements, so that a kernel may read whole words at the end.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Shape shape, DType dtype = DType::kFloat32);
  static Tensor zeros(Shape shape, DType dtype = DType::kFloat32);
  // Over memory of somebody else, which it keeps alive: aligned and followed by zeros as above. If
  // that memory is read-only, so is the tensor.
  static Tensor over(std::shared_ptr<void> memory, Shape shape, DType dtype);
  Tensor(Tensor&&) = default;
  Tensor& operator=(Tensor&&) = default;

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  std::int64_t size() const { return empty() ? 0 : n_elements(shape_); }
  std::size_t n_bytes() const { return static_cast<std::size_t>(size()) * size_of(dtype_); }
  bool empty() const { return memory_ == nullptr; }
  // For memory that will be filled and read from end to end, before it is.
  void use_huge_pages();
  // As float32; the caller knows that it is.
  float* data() { return static_cast<float*>(memory_.get()); }
  const float* data() const { return static_cast<const float*>(memory_.get()); }
  // Whatever the dtype.
  void* raw() { return memory_.get(); }
  const void* raw() const { return memory_.get(); }
  // The memory itself, which the tensor gives up.
  std::shared_ptr<void> release() && { return std::move(memory_); }
  TensorView view() const { return {memory_.get(), dtype_, shape_}; }

 private:
  std::shared_ptr<void> memory_;
  Shape shape_;
  DType dtype_ = DType::kFloat32;
};

}  // namespace sottovoce
