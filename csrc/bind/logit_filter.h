// A Python function as LogitFilter: it takes the GIL for each call.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sottovoce/decoding.h>

#include "gil.h"
#include "numpy_array.h"

namespace sottovoce::bind {

namespace py = pybind11;

// What a filter raises that is no Exception, KeyboardInterrupt for one. As it is no std::exception
// either, it leaves the core's call at once.
struct FilterInterrupted {
  py::error_already_set raised;
};

// logits (n_vocab) as a NumPy array of memory of its own, which the function may keep.
inline void call_filter(const py::object& function, const std::vector<int>& tokens, float* logits,
                        int n_vocab) {
  const TakeGil taken;
  Tensor copy({n_vocab});
  std::copy_n(logits, n_vocab, copy.data());
  const float* const filtered = copy.data();
  const py::array_t<float> array = to_array(std::move(copy));
  const py::list list = py::cast(tokens);
  const auto returned = py::reinterpret_steal<py::object>(take_gil([&] {
    return PyObject_CallFunctionObjArgs(function.ptr(), list.ptr(), array.ptr(), nullptr);
  }));
  if (!returned) {
    py::error_already_set raised;
    if (!raised.matches(PyExc_Exception)) throw FilterInterrupted{std::move(raised)};
    throw raised;
  }
  if (!returned.is_none()) {
    PyErr_Format(PyExc_TypeError,
                 "logit_filter must change logits where they are and return None, got %s",
                 Py_TYPE(returned.ptr())->tp_name);
    throw py::error_already_set();
  }
  std::copy_n(filtered, n_vocab, logits);
}

// Of None, no filter. Copies of it share the function, and whoever lets go of the last one need not
// have the GIL.
inline LogitFilter to_logit_filter(const py::object& function) {
  if (function.is_none()) return nullptr;
  if (PyCallable_Check(function.ptr()) == 0) {
    throw py::type_error("logit_filter must be a function of (tokens, logits) or None, got " +
                         py::cast<std::string>(py::repr(function)));
  }
  const std::shared_ptr<const py::object> kept(new py::object(function), [](py::object* held) {
    const TakeGil taken;
    delete held;
  });
  return [kept](const std::vector<int>& tokens, float* logits, int n_vocab) {
    call_filter(*kept, tokens, logits, n_vocab);
  };
}

}  // namespace sottovoce::bind
