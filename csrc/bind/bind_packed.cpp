// Packed weights in files.
#include <pybind11/stl.h>

#include <string>

#include <sottovoce/packed.h>

#include "bind.h"
#include "gil.h"

namespace sottovoce::bind {

void bind_packed(py::module_& module) {
  module.def(
      "packed_path",
      [](const std::string& folder, const std::string& directory, const std::string& isa,
         const std::string& compute_type) {
        return packed_path(folder, directory, runtime_options(1, isa, compute_type, "pool", ""));
      },
      py::arg("folder"), py::arg("directory"), py::kw_only(), py::arg("isa") = "",
      py::arg("compute_type") = "float32",
      "The file in `folder` for the packed weights of the model in `directory`. Raises LoadError\n"
      "for an empty name, ShapeError for options.");
  module.def(
      "open_packed",
      [](const std::string& path, const std::string& identity, int n_threads,
         const std::string& isa, const std::string& compute_type, const std::string& threading,
         const std::string& device) {
        return open_packed(path, identity,
                           runtime_options(n_threads, isa, compute_type, threading, device));
      },
      py::arg("path"), py::arg("identity"), py::kw_only(), py::arg("n_threads") = 0,
      py::arg("isa") = "", py::arg("compute_type") = "float32", py::arg("threading") = "pool",
      py::arg("device") = "", py::call_guard<ReleaseGil>(),
      "The model that was saved at `path` under this identity, or None: no such file, another\n"
      "identity, version, instruction set or compute type, or damage. Raises ShapeError for\n"
      "options.");
  module.def(
      "save_packed", &save_packed, py::arg("model"), py::arg("path"), py::arg("identity"),
      py::kw_only(), py::arg("patience") = 10.0, py::call_guard<ReleaseGil>(),
      "Saves packed weights for open_packed, unless they are there already; makes the\n"
      "folder. Waits up to `patience` seconds while somebody else saves there, then returns\n"
      "False. Raises LoadError if the file cannot be written.");
}

}  // namespace sottovoce::bind
