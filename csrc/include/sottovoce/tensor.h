// Dense, contiguous, row-major tensors: a view that owns nothing, and an aligned owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
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

// float32 memory aligned to a cache line (64 bytes), uninitialised unless said otherwise.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Shape shape);
  static Tensor zeros(Shape shape);

  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return n_elements(shape_); }
  std::size_t n_bytes() const { return static_cast<std::size_t>(size()) * sizeof(float); }
  bool empty() const { return data_ == nullptr; }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  TensorView view() const { return {data_.get(), DType::kFloat32, shape_}; }

 private:
  struct Free {
    void operator()(float* p) const noexcept;
  };
  std::unique_ptr<float[], Free> data_;
  Shape shape_;
};

}  // namespace sottovoce
