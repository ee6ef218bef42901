// Lists of token ids and of heads, as Python writes them.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <sottovoce/checkpoint.h>
#include <sottovoce/error.h>

namespace sottovoce::bind {

namespace py = pybind11;

// Token ids of any sequence or array of integers.
inline std::vector<int> to_tokens(const py::handle& sequence, const char* name) {
  const auto refuse = [&](const py::handle& got) {
    throw py::type_error(std::string(name) + " must be a sequence of ints, got " +
                         py::cast<std::string>(py::repr(got)));
  };
  if (!py::isinstance<py::iterable>(sequence)) refuse(sequence);
  std::vector<int> tokens;
  for (const py::handle& item : sequence) {
    if (!PyIndex_Check(item.ptr())) refuse(item);
    const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
    if (!index) throw py::error_already_set();
    int overflow = 0;
    const long token = PyLong_AsLongAndOverflow(index.ptr(), &overflow);
    if (overflow != 0 || token < std::numeric_limits<int>::min() ||
        token > std::numeric_limits<int>::max()) {
      throw ShapeError(std::string(name) +
                       " has a token that is no id: " + py::cast<std::string>(py::repr(item)));
    }
    tokens.push_back(static_cast<int>(token));
  }
  return tokens;
}

using Heads = std::vector<std::pair<int, int>>;

inline std::vector<LayerHead> to_heads(const Heads& pairs) {
  std::vector<LayerHead> heads;
  for (const auto& [layer, head] : pairs) heads.push_back({layer, head});
  return heads;
}

inline Heads to_pairs(const std::vector<LayerHead>& heads) {
  Heads pairs;
  for (const LayerHead& entry : heads) pairs.emplace_back(entry.layer, entry.head);
  return pairs;
}

}  // namespace sottovoce::bind
