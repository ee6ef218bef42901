// Memory of a back end: a shape and a handle. Only the back end that made an array can look into
// it.
#pragma once

#include <memory>
#include <utility>

#include <sottovoce/tensor.h>

namespace sottovoce::ops {

// Dense, contiguous, row-major. Its rows are those of its last axis.
class Array {
 public:
  Array() = default;
  Array(Array&&) = default;
  Array& operator=(Array&&) = default;

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  bool empty() const { return memory_ == nullptr; }
  std::int64_t size() const { return empty() ? 0 : n_elements(shape_); }
  std::size_t n_bytes() const { return static_cast<std::size_t>(size()) * size_of(dtype_); }
  std::int64_t n_columns() const { return shape_.back(); }
  std::int64_t n_rows() const { return size() / n_columns(); }

 private:
  friend class Backend;
  Array(std::shared_ptr<void> memory, Shape shape, DType dtype)
      : memory_(std::move(memory)), shape_(std::move(shape)), dtype_(dtype) {}

  std::shared_ptr<void> memory_;
  Shape shape_;
  DType dtype_ = DType::kFloat32;
};

}  // namespace sottovoce::ops
