// One visit of everything that Weights holds, for writing and for reading: what is in the one is
// in the other. A field added to Weights is added to each_field().
#include "packed_weights.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include <sottovoce/error.h>

#include "check_network.h"
#include "cpu_backend.h"
#include "verbs.h"

namespace sottovoce::packed {

namespace {

// W is Weights or const Weights, and likewise below it.
template <class Archive, class Linear>
void each_panel_field(Archive& archive, Linear& linear) {
  archive.tensor(linear.panels);
  archive.tensor(linear.bias);
  archive.tensor(linear.scales);
  archive.tensor(linear.sums);
  archive.count(linear.blocks);
  for (auto& block : linear.blocks) {
    archive.number(block.first_panel);
    archive.number(block.n);
  }
  archive.number(linear.n);
  archive.number(linear.k);
  archive.number(linear.k_words);
  archive.number(linear.nr);
}

template <class Archive, class Norm>
void each_norm_field(Archive& archive, Norm& norm) {
  archive.array(norm.weight);
  archive.array(norm.bias);
}

template <class Archive, class Block>
void each_attention_and_mlp_field(Archive& archive, Block& block) {
  each_norm_field(archive, block.attention.ln);
  archive.linear(block.attention.qkv);
  archive.linear(block.attention.out);
  each_norm_field(archive, block.mlp.ln);
  archive.linear(block.mlp.up);
  archive.linear(block.mlp.down);
}

template <class Archive, class W>
void each_field(Archive& archive, W& weights) {
  archive.linear(weights.conv1);
  archive.linear(weights.conv2);
  archive.array(weights.audio_positions);
  archive.count(weights.encoder);
  for (auto& block : weights.encoder) each_attention_and_mlp_field(archive, block);
  each_norm_field(archive, weights.ln_post);
  archive.linear(weights.embedding.linear);
  archive.array(weights.embedding.rows);
  archive.array(weights.text_positions);
  archive.count(weights.decoder);
  for (auto& block : weights.decoder) {
    each_attention_and_mlp_field(archive, block);
    each_norm_field(archive, block.cross.ln);
    archive.linear(block.cross.q);
    archive.linear(block.cross.kv);
    archive.linear(block.cross.out);
  }
  each_norm_field(archive, weights.ln);
}

template <class Archive, class Dims>
void each_dim(Archive& archive, Dims& dims) {
  for (auto* field : {&dims.n_mels, &dims.n_audio_ctx, &dims.n_audio_state, &dims.n_audio_head,
                      &dims.n_audio_layer, &dims.n_vocab, &dims.n_text_ctx, &dims.n_text_state,
                      &dims.n_text_head, &dims.n_text_layer}) {
    archive.number(*field);
  }
}

template <class Archive, class Heads>
void each_head(Archive& archive, Heads& heads) {
  archive.count(heads);
  for (auto& head : heads) {
    archive.number(head.layer);
    archive.number(head.head);
  }
}

class Writer {
 public:
  explicit Writer(std::vector<Section>& sections) : sections_(sections) {}

  template <class Integer>
  void number(const Integer& value) {
    const auto wide = static_cast<std::int64_t>(value);
    text_.append(reinterpret_cast<const char*>(&wide), sizeof(wide));
  }

  template <class T>
  void count(const std::vector<T>& items) {
    number(items.size());
  }

  void tensor(const Tensor& tensor) { view(tensor.view()); }
  void array(const ops::Array& array) { view(ops::CpuBackend::view(array)); }
  void linear(const ops::LinearPtr& linear) {
    each_panel_field(*this, static_cast<const ops::PackedLinear&>(*linear));
  }

  std::string text() && { return std::move(text_); }

 private:
  void view(const TensorView& view) {
    number(view.data ? 1 : 0);
    if (!view.data) return;
    number(static_cast<int>(view.dtype));
    count(view.shape);
    for (const std::int64_t extent : view.shape) number(extent);
    sections_.push_back({view.data, view.n_bytes()});
  }

  std::string text_;
  std::vector<Section>& sections_;
};

[[noreturn]] void fail() { throw LoadError("packed weights: the description makes no sense"); }

class Reader {
 public:
  explicit Reader(std::shared_ptr<PackedFile> file)
      : file_(std::move(file)), text_(file_->header()) {}

  template <class Integer>
  void number(Integer& value) {
    std::int64_t wide;
    if (text_.size() < sizeof(wide)) fail();
    std::memcpy(&wide, text_.data(), sizeof(wide));
    text_.remove_prefix(sizeof(wide));
    value = static_cast<Integer>(wide);
    if (static_cast<std::int64_t>(value) != wide) fail();
  }

  // Each item is described by one number at least.
  template <class T>
  void count(std::vector<T>& items) {
    std::int64_t n = 0;
    number(n);
    if (n < 0 || static_cast<std::uint64_t>(n) > text_.size() / sizeof(n)) fail();
    items.resize(static_cast<std::size_t>(n));
  }

  void tensor(Tensor& tensor) {
    int there = 0;
    number(there);
    if (there == 0) return;
    if (there != 1) fail();
    int dtype = 0;
    number(dtype);
    if (dtype < 0 || dtype > static_cast<int>(DType::kInt8)) fail();
    Shape shape;
    count(shape);
    for (std::int64_t& extent : shape) number(extent);
    const std::size_t n_bytes = bytes_of(shape, static_cast<DType>(dtype));
    tensor =
        Tensor::over({file_, file_->data() + at_}, std::move(shape), static_cast<DType>(dtype));
    at_ = next_section(at_, n_bytes);
  }

  void array(ops::Array& array) {
    Tensor of_file;
    tensor(of_file);
    if (!of_file.empty()) array = ops::CpuBackend::adopt(std::move(of_file));
  }

  void linear(ops::LinearPtr& linear) {
    auto read = std::make_unique<ops::PackedLinear>();
    each_panel_field(*this, *read);
    linear = std::move(read);
  }

  bool at_end() const { return text_.empty() && at_ == file_->n_bytes(); }

 private:
  // Of a tensor that begins at at_ and ends, with the zeros behind it, within the file.
  std::size_t bytes_of(const Shape& shape, DType dtype) const {
    if (file_->n_bytes() < at_ + kLine) fail();
    const std::size_t room = file_->n_bytes() - at_ - kLine;
    std::size_t n = size_of(dtype);
    for (const std::int64_t extent : shape) {
      if (extent < 0 || (extent > 0 && n > room / static_cast<std::size_t>(extent))) fail();
      n *= static_cast<std::size_t>(extent);
    }
    return n;
  }

  std::shared_ptr<PackedFile> file_;
  std::string_view text_;
  std::size_t at_ = 0;  // bytes from the start of the data block
};

}  // namespace

std::string describe(const ModelDims& dims, const std::vector<LayerHead>& alignment_heads,
                     const Weights& weights, std::vector<Section>& sections) {
  Writer writer(sections);
  each_dim(writer, dims);
  each_head(writer, alignment_heads);
  each_field(writer, weights);
  return std::move(writer).text();
}

Network read_network(const ops::Context& context, const std::shared_ptr<PackedFile>& file,
                     const ComputeType& type) {
  Reader reader(file);
  Network network;
  each_dim(reader, network.dims);
  network.dims.validate();
  each_head(reader, network.alignment_heads);
  network.weights.type = type;
  each_field(reader, network.weights);
  if (!reader.at_end() || !is_whole(context, network)) fail();
  return network;
}

}  // namespace sottovoce::packed
