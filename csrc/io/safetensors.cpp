// Reads the container and believes nothing: the tensors must tile the data block exactly, in the
// order of their offsets, with as many bytes as shape and dtype need. What the numbers mean is the
// business of huggingface.cpp.
#include "safetensors.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include <sottovoce/error.h>

#include "json.h"

namespace sottovoce {
namespace {

using Entry = SafetensorsFile::Entry;
using Entries = std::map<std::string, Entry>;
using Texts = std::map<std::string, std::string>;

constexpr std::size_t kLengthBytes = 8;  // little-endian header length before the header
constexpr std::size_t kMaxHeader = 100 * 1000 * 1000;  // the reference implementation's limit
constexpr std::size_t kMaxRank = 8;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw LoadError(path + ": " + what);
}

// Bytes of an element, 0 if this reader does not know the dtype (and so cannot check the size).
std::size_t element_size(const std::string& dtype) {
  constexpr std::pair<const char*, std::size_t> kSizes[] = {
      {"F64", 8},  {"I64", 8}, {"U64", 8}, {"F32", 4}, {"I32", 4}, {"U32", 4}, {"F16", 2},
      {"BF16", 2}, {"I16", 2}, {"U16", 2}, {"I8", 1},  {"U8", 1},  {"BOOL", 1}};
  for (const auto& [name, size] : kSizes) {
    if (dtype == name) return size;
  }
  return 0;
}

// The header's text, after its length has been held against the file.
std::string_view header_of(const MappedFile& file) {
  if (file.size() < kLengthBytes) {
    fail(file.path(),
         "truncated: " + std::to_string(file.size()) + " bytes, a safetensors file has at least 8");
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length |= std::uint64_t{static_cast<unsigned char>(file.data()[i])} << (8 * i);
  }
  const std::size_t room = std::min(file.size() - kLengthBytes, kMaxHeader);
  if (length > room) {
    fail(file.path(), "not a safetensors file, or truncated: the header would have " +
                          std::to_string(length) + " bytes, there is room for " +
                          std::to_string(room));
  }
  return {file.data() + kLengthBytes, static_cast<std::size_t>(length)};
}

class HeaderReader {
 public:
  HeaderReader(const std::string& path, std::size_t n_data) : path_(path), n_data_(n_data) {}

  Entries read(std::string_view header, Texts& metadata) const {
    const json::Value root = json::parse(header, path_ + ": header");
    if (root.object() == nullptr) fail(path_, "the header must be an object, got " + kind(root));
    Entries entries;
    for (const json::Member& member : *root.object()) {
      if (member.key == "__metadata__") {
        read_metadata(member.value, metadata);
        continue;
      }
      entries.emplace(member.key, read_entry(member.key, member.value));
    }
    check_tiling(entries);
    return entries;
  }

 private:
  static std::string kind(const json::Value& value) { return value.kind(); }

  static void read_metadata(const json::Value& value, Texts& metadata) {
    if (value.object() == nullptr) return;
    for (const json::Member& member : *value.object()) {
      if (member.value.string() != nullptr) metadata.emplace(member.key, *member.value.string());
    }
  }

  [[noreturn]] void fail_tensor(const std::string& name, const std::string& what) const {
    fail(path_, "tensor '" + name + "': " + what);
  }

  Entry read_entry(const std::string& name, const json::Value& value) const {
    const json::Value* dtype = value.find("dtype");
    const json::Value* shape = value.find("shape");
    const json::Value* offsets = value.find("data_offsets");
    if (dtype == nullptr || dtype->string() == nullptr) fail_tensor(name, "needs a string 'dtype'");
    if (shape == nullptr || shape->array() == nullptr) fail_tensor(name, "needs an array 'shape'");
    if (offsets == nullptr || offsets->array() == nullptr || offsets->array()->size() != 2) {
      fail_tensor(name, "needs 'data_offsets' of two numbers");
    }
    Entry entry;
    entry.dtype = *dtype->string();
    entry.shape = read_shape(name, *shape->array());
    entry.begin = read_offset(name, (*offsets->array())[0]);
    entry.end = read_offset(name, (*offsets->array())[1]);
    check_size(name, entry);
    return entry;
  }

  Shape read_shape(const std::string& name, const json::Array& extents) const {
    if (extents.size() > kMaxRank) {
      fail_tensor(name, "has " + std::to_string(extents.size()) + " axes, at most " +
                            std::to_string(kMaxRank) + " make sense");
    }
    Shape shape;
    for (const json::Value& extent : extents) {
      const std::int64_t* n = extent.integer();
      if (n == nullptr || *n < 0) fail_tensor(name, "'shape' must hold integers from 0 on");
      shape.push_back(*n);
    }
    return shape;
  }

  std::size_t read_offset(const std::string& name, const json::Value& value) const {
    const std::int64_t* offset = value.integer();
    if (offset == nullptr || *offset < 0) {
      fail_tensor(name, "'data_offsets' must hold integers from 0 on");
    }
    if (static_cast<std::uint64_t>(*offset) > n_data_) {
      fail_tensor(name, "data offset " + std::to_string(*offset) +
                            " lies past the end: the file has " + std::to_string(n_data_) +
                            " bytes of data (truncated?)");
    }
    return static_cast<std::size_t>(*offset);
  }

  void check_size(const std::string& name, const Entry& entry) const {
    if (entry.begin > entry.end) fail_tensor(name, "'data_offsets' run backwards");
    const std::size_t element = element_size(entry.dtype);
    if (element == 0) return;
    std::uint64_t expected = element;
    for (const std::int64_t extent : entry.shape) {
      const auto n = static_cast<std::uint64_t>(extent);
      if (n != 0 && expected > std::numeric_limits<std::uint64_t>::max() / n) {
        fail_tensor(name, "shape " + to_string(entry.shape) + " overflows");
      }
      expected *= n;
    }
    if (expected != entry.end - entry.begin) {
      fail_tensor(name, to_string(entry.shape) + " " + entry.dtype + " needs " +
                            std::to_string(expected) + " bytes, 'data_offsets' give " +
                            std::to_string(entry.end - entry.begin));
    }
  }

  // The format allows neither holes nor overlaps: each tensor begins where the one before it ends.
  void check_tiling(const Entries& entries) const {
    std::vector<const Entries::value_type*> order;
    for (const auto& entry : entries) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
      return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
    });
    std::size_t at = 0;
    for (const auto* entry : order) {
      const auto& [name, place] = *entry;
      if (place.begin < at) fail_tensor(name, "overlaps the tensor before it");
      if (place.begin > at) fail_tensor(name, "leaves a hole before its data");
      at = place.end;
    }
    if (at != n_data_) {
      fail(path_, "the tensors end at byte " + std::to_string(at) + " of the data, the file has " +
                      std::to_string(n_data_));
    }
  }

  const std::string& path_;
  std::size_t n_data_;
};

DType dtype_of(const std::string& path, const std::string& name, const std::string& dtype) {
  if (dtype == "F32") return DType::kFloat32;
  if (dtype == "F16") return DType::kFloat16;
  if (dtype == "BF16") return DType::kBFloat16;
  fail(path, "tensor '" + name + "': dtype must be F32, F16 or BF16, got " + dtype);
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path) {
  const std::string_view header = header_of(file_);
  data_ = header.data() + header.size();
  const std::size_t n_data = file_.size() - kLengthBytes - header.size();
  entries_ = HeaderReader(file_.path(), n_data).read(header, metadata_);
}

TensorView SafetensorsFile::view(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail(path(), "has no tensor '" + name + "'");
  const Entry& entry = found->second;
  const DType dtype = dtype_of(path(), name, entry.dtype);
  return {data_ + entry.begin, dtype, entry.shape};
}

}  // namespace sottovoce
