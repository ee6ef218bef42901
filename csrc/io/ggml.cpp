// Reads whisper.cpp's container and believes nothing: every length is held against the file. All
// numbers are little-endian int32. The mel filters are those of every Whisper, which the audio
// front end computes; only their shape is looked at.
#include "ggml.h"

#include <cstdint>
#include <memory>
#include <utility>

#include <sottovoce/error.h>

#include "ggml_blocks.h"
#include "mapped_file.h"

namespace sottovoce::ggml {
namespace {

constexpr std::string_view kMagic = "lmgg";  // 0x67676d6c
constexpr std::int32_t kMaxRank = 4;
constexpr std::size_t kMaxName = 256;

// What keeps the tensors alive.
struct Storage {
  explicit Storage(const std::string& path) : file(path) {}
  MappedFile file;
  std::vector<Tensor> expanded;  // what was quantised
};

// Walks the bytes of a file; every read is checked against its end.
class Cursor {
 public:
  explicit Cursor(const MappedFile& file) : file_(file) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw LoadError(file_.path() + ": " + what);
  }
  bool at_end() const { return at_ == file_.size(); }

  const char* take(std::size_t n, const std::string& what) {
    if (n > file_.size() - at_) {
      fail(what + " needs " + std::to_string(n) + " bytes at offset " + std::to_string(at_) +
           ", got " + std::to_string(file_.size() - at_) + "; the file is truncated");
    }
    const char* const start = file_.data() + at_;
    at_ += n;
    return start;
  }

  std::int32_t number(const std::string& what) {
    const char* const bytes = take(4, what);
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return static_cast<std::int32_t>(value);
  }

  // A number that counts something: 0..most.
  std::int32_t count(const std::string& what, std::int32_t most) {
    const std::int32_t value = number(what);
    if (value < 0 || value > most) {
      fail(what + " must be in 0.." + std::to_string(most) + ", got " + std::to_string(value));
    }
    return value;
  }

  std::string text(std::size_t n, const std::string& what) { return {take(n, what), n}; }

 private:
  const MappedFile& file_;
  std::size_t at_ = 0;
};

ModelDims read_dims(Cursor& cursor) {
  if (cursor.text(kMagic.size(), "the magic number") != kMagic) {
    cursor.fail("not a ggml file: it must begin with '" + std::string(kMagic) + "'");
  }
  ModelDims dims;
  dims.n_vocab = cursor.number("n_vocab");
  dims.n_audio_ctx = cursor.number("n_audio_ctx");
  dims.n_audio_state = cursor.number("n_audio_state");
  dims.n_audio_head = cursor.number("n_audio_head");
  dims.n_audio_layer = cursor.number("n_audio_layer");
  dims.n_text_ctx = cursor.number("n_text_ctx");
  dims.n_text_state = cursor.number("n_text_state");
  dims.n_text_head = cursor.number("n_text_head");
  dims.n_text_layer = cursor.number("n_text_layer");
  dims.n_mels = cursor.number("n_mels");
  cursor.number("ftype");  // of most tensors; each says its own
  try {
    dims.validate();
  } catch (const LoadError& error) {
    cursor.fail(error.what());
  }
  return dims;
}

void skip_filters(Cursor& cursor, const ModelDims& dims) {
  constexpr std::int32_t kMost = 1 << 10;
  const std::int32_t n_mels = cursor.count("n_mels of the filters", kMost);
  const std::int32_t n_frequencies = cursor.count("frequencies of the filters", kMost);
  if (n_mels != dims.n_mels || n_frequencies != kNFft / 2 + 1) {
    cursor.fail("mel filters must be (" + std::to_string(dims.n_mels) + ", " +
                std::to_string(kNFft / 2 + 1) + "), got (" + std::to_string(n_mels) + ", " +
                std::to_string(n_frequencies) + ")");
  }
  cursor.take(sizeof(float) * static_cast<std::size_t>(n_mels * n_frequencies), "mel filters");
}

std::vector<std::string> read_pieces(Cursor& cursor, const ModelDims& dims) {
  constexpr std::int32_t kLongest = 1 << 12;
  const std::int32_t n = cursor.count("number of tokens", dims.n_vocab);
  std::vector<std::string> pieces;
  for (std::int32_t id = 0; id < n; ++id) {
    const std::string what = "token " + std::to_string(id);
    const std::int32_t n_bytes = cursor.count("length of " + what, kLongest);
    pieces.push_back(cursor.text(static_cast<std::size_t>(n_bytes), what));
  }
  return pieces;
}

// The last axis comes first in the file. Biases of convolutions have a second axis of 1.
Shape read_shape(Cursor& cursor, std::int32_t rank) {
  Shape shape;
  for (std::int32_t axis = 0; axis < rank; ++axis) {
    shape.insert(shape.begin(), cursor.count("an axis of a tensor", 1 << 20));
  }
  if (shape.size() == 2 && shape.back() == 1) shape.pop_back();
  return shape;
}

TensorView expand(const Type& type, const char* blocks, const Shape& shape, Storage& storage) {
  Tensor tensor(shape);
  type.expand(reinterpret_cast<const unsigned char*>(blocks), n_elements(shape) / type.n_numbers,
              tensor.data());
  storage.expanded.push_back(std::move(tensor));
  return storage.expanded.back().view();
}

void read_tensor(Cursor& cursor, Storage& storage, Checkpoint& checkpoint) {
  const std::int32_t rank = cursor.count("rank of a tensor", kMaxRank);
  const std::int32_t n_name = cursor.count("length of a tensor's name", kMaxName);
  const std::int32_t type_id = cursor.number("type of a tensor");
  const Shape shape = read_shape(cursor, rank);
  const std::string name = cursor.text(static_cast<std::size_t>(n_name), "name of a tensor");
  const Type* const type = find_type(type_id);
  if (type == nullptr) {
    cursor.fail("tensor '" + name +
                "': type must be f32, f16, q4_0, q4_1, q5_0, q5_1 or q8_0, got " +
                "ggml's number " + std::to_string(type_id));
  }
  const std::int64_t row = shape.empty() ? 1 : shape.back();
  if (row % type->n_numbers != 0) {
    cursor.fail("tensor '" + name + "' " + to_string(shape) + ": rows of " + type->name +
                " must be a multiple of " + std::to_string(type->n_numbers));
  }
  // 4 axes of 20 bits each could overflow; no tensor of a Whisper has more than 2^40 numbers.
  double n_numbers = 1.0;
  for (const std::int64_t extent : shape) n_numbers *= static_cast<double>(extent);
  if (n_numbers > 0x1p40)
    cursor.fail("tensor '" + name + "' " + to_string(shape) + " is too large");
  const auto n_blocks = static_cast<std::size_t>(n_elements(shape) / type->n_numbers);
  const char* const data = cursor.take(n_blocks * type->n_bytes, "tensor '" + name + "'");
  const TensorView view =
      type->expand != nullptr
          ? expand(*type, data, shape, storage)
          : TensorView{data, type->n_bytes == 4 ? DType::kFloat32 : DType::kFloat16, shape};
  if (!checkpoint.tensors.emplace(name, view).second) {
    cursor.fail("tensor '" + name + "' stands twice");
  }
}

}  // namespace

bool is_ggml(const std::string& path) { return begins_with(path, kMagic); }

Checkpoint open(const std::string& path) {
  auto storage = std::make_shared<Storage>(path);
  Cursor cursor(storage->file);
  Checkpoint checkpoint;
  checkpoint.source = path;
  checkpoint.dims = read_dims(cursor);
  skip_filters(cursor, checkpoint.dims);
  read_pieces(cursor, checkpoint.dims);
  while (!cursor.at_end()) read_tensor(cursor, *storage, checkpoint);
  checkpoint.storage = std::move(storage);
  return checkpoint;
}

Tokens read_tokens(const std::string& path) {
  const MappedFile file(path);
  Cursor cursor(file);
  const ModelDims dims = read_dims(cursor);
  skip_filters(cursor, dims);
  return {dims.n_vocab, read_pieces(cursor, dims)};
}

}  // namespace sottovoce::ggml
