// The safetensors container: a JSON header that places tensors in one block of bytes.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include <sottovoce/tensor.h>

#include "mapped_file.h"

namespace sottovoce {

class SafetensorsFile {
 public:
  struct Entry {
    std::string dtype;  // as the file spells it: "F32", "I64", ...
    Shape shape;
    std::size_t begin = 0;  // bytes from the start of the data block
    std::size_t end = 0;
  };

  // Maps the file and checks the whole header; throws LoadError naming the file and the tensor.
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  // Texts beside the tensors, by name.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // A view into the map, valid while this object lives and perhaps not aligned to its elements.
  // Throws LoadError unless the dtype is F32, F16 or BF16.
  TensorView view(const std::string& name) const;

 private:
  MappedFile file_;
  const char* data_ = nullptr;  // the data block
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace sottovoce
