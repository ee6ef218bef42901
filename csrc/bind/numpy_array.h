// NumPy arrays and tensors: views in, owners out, never a silent cast or copy.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sottovoce/error.h>
#include <sottovoce/tensor.h>

namespace sottovoce::bind {

namespace py = pybind11;

// "(80, 3000) float64" of any array, for messages.
inline std::string describe(const py::array& array) {
  Shape shape(array.shape(), array.shape() + array.ndim());
  return to_string(shape) + " " + py::cast<std::string>(py::str(array.dtype()));
}

// A view of a C-contiguous float32 array; anything else is refused with what to do instead.
inline TensorView view_f32(const py::array& array, const char* what) {
  if (!py::isinstance<py::array_t<float>>(array)) {
    throw py::type_error(std::string(what) + " must be float32, got " + describe(array) +
                         "; convert it with .astype(numpy.float32)");
  }
  if (!(array.flags() & py::array::c_style)) {
    throw ShapeError(std::string(what) + " must be C-contiguous, got a strided " + describe(array) +
                     "; use numpy.ascontiguousarray");
  }
  if (!(array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_)) {
    throw ShapeError(std::string(what) + " must be aligned, got an unaligned " + describe(array) +
                     "; use .copy()");
  }
  return {array.data(), DType::kFloat32, Shape(array.shape(), array.shape() + array.ndim())};
}

// Hands a tensor's memory to NumPy without a copy.
inline py::array_t<float> to_array(Tensor tensor) {
  auto owner = std::make_unique<Tensor>(std::move(tensor));
  Tensor* raw = owner.get();
  py::capsule keeper(owner.release(), [](void* p) { delete static_cast<Tensor*>(p); });
  return py::array_t<float>(std::vector<py::ssize_t>(raw->shape().begin(), raw->shape().end()),
                            raw->data(), keeper);
}

// A read-only view of memory that `keeper` owns.
inline py::array_t<float> to_readonly_view(const Tensor& tensor, py::handle keeper) {
  py::array_t<float> array(std::vector<py::ssize_t>(tensor.shape().begin(), tensor.shape().end()),
                           tensor.data(), keeper);
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

}  // namespace sottovoce::bind
