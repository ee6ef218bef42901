// From a checkpoint's tensors to packed weights: the names, the shapes, and what is fused.
#include "weights.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>

#include <sottovoce/error.h>

#include "file_pages.h"

namespace sottovoce {

namespace {

struct Normed {
  ops::LayerNorm ln;
  ops::LinearPtr linear;
};

// int8 rows share one scale, so a channel that the layer norm makes large costs the others their
// precision: part of its size moves from the layer norm into the columns of the weights behind it
// (SmoothQuant, Xiao et al. 2022, s = max |activation|^a / max |weight|^(1 - a)). The layer norm's
// own parameters stand for calibration: its output is weight * z + bias with z of unit variance, so
// three standard deviations reach 3 |weight| + |bias|.
//   weight, bias   (n) of the layer norm; divided by the scales
//   column_maxima  (n) largest magnitude in each column of the weights behind it
// Returns the scales of those columns, (n): powers of two, so that nothing is rounded on the way.
Tensor balance(Tensor& weight, Tensor& bias, Tensor column_maxima) {
  constexpr float kStandardDeviations = 3.0f;
  constexpr float kOfActivations = 0.8f;  // SmoothQuant's alpha: activations are the harder part
  constexpr float kOfWeights = 0.2f;      // 1 - alpha
  constexpr float kLeastChannel = 1e-5f;  // one that is off has no size to move
  Tensor scales = std::move(column_maxima);
  for (std::int64_t i = 0; i < scales.size(); ++i) {
    float& of_weight = weight.data()[i];
    float& of_bias = bias.data()[i];
    const float typical =
        std::max(kStandardDeviations * std::abs(of_weight) + std::abs(of_bias), kLeastChannel);
    const float column = std::max(scales.data()[i], kLeastChannel);
    const float exponent = kOfActivations * std::log2(typical) - kOfWeights * std::log2(column);
    scales.data()[i] = std::exp2(std::nearbyint(exponent));
    of_weight /= scales.data()[i];
    of_bias /= scales.data()[i];
  }
  return scales;
}

// Finds tensors by name and vouches for them.
class Reader {
 public:
  Reader(const ops::Backend& backend, const ComputeType& type, const Checkpoint& checkpoint)
      : backend_(backend), type_(type), checkpoint_(checkpoint) {}

  bool has(const std::string& name) const { return checkpoint_.tensors.count(name) > 0; }

  const TensorView& get(const std::string& name, const Shape& shape) const {
    const auto found = checkpoint_.tensors.find(name);
    if (found == checkpoint_.tensors.end()) {
      throw LoadError(checkpoint_.source + ": tensor '" + name + "' " + to_string(shape) +
                      " is missing");
    }
    const TensorView& view = found->second;
    if (view.shape != shape) {
      throw LoadError(checkpoint_.source + ": tensor '" + name + "' must be " + to_string(shape) +
                      ", got " + to_string(view.shape));
    }
    if (view.dtype == DType::kInt8) {
      throw LoadError(checkpoint_.source + ": tensor '" + name +
                      "' must be float32, float16 or bfloat16, got int8 without scales");
    }
    if (!ops::all_finite(backend_.host(), view)) {
      throw LoadError(checkpoint_.source + ": tensor '" + name +
                      "' must be finite, got NaN or infinity");
    }
    return view;
  }

  Tensor copy(const std::string& name, const Shape& shape) const {
    return ops::to_float32(backend_.host(), get(name, shape));
  }

  ops::Array array(const std::string& name, const Shape& shape) const {
    return backend_.upload(copy(name, shape).view());
  }

  ops::LayerNorm layer_norm(const std::string& name, std::int64_t n) const {
    return {array(name + ".weight", {n}), array(name + ".bias", {n})};
  }

  ops::LinearPtr linear(const std::string& name, std::int64_t n, std::int64_t k) const {
    const TensorView& bias = get(name + ".bias", {n});
    return fused({{get(name + ".weight", {n, k}), &bias}});
  }

  ops::LinearPtr fused(const std::vector<ops::LinearBlock>& blocks) const {
    ops::LinearPtr packed = backend_.pack_linear(type_.linear, blocks);
    // The checkpoint's own copy would only swell the process from here on.
    for (const ops::LinearBlock& block : blocks) pages_.drop(block.weight);
    return packed;
  }

  // A layer norm, and the linear layer that reads its output.
  Normed behind(const std::string& norm, std::int64_t n,
                std::vector<ops::LinearBlock> blocks) const {
    if (type_.linear != DType::kInt8) return {layer_norm(norm, n), fused(blocks)};
    Tensor weight = copy(norm + ".weight", {n});
    Tensor bias = copy(norm + ".bias", {n});
    const Tensor scales = balance(weight, bias, ops::column_maxima(backend_.host(), blocks));
    for (ops::LinearBlock& block : blocks) block.column_scales = &scales;
    return {{backend_.upload(weight.view()), backend_.upload(bias.view())}, fused(blocks)};
  }

  ops::Embedding embedding(const std::string& name, std::int64_t n_vocab, std::int64_t n) const {
    const TensorView& weight = get(name, {n_vocab, n});
    ops::Embedding packed = backend_.pack_embedding(type_.linear, weight);
    pages_.drop(weight);
    return packed;
  }

  ops::LinearPtr conv1d(const std::string& name, std::int64_t n, std::int64_t n_in) const {
    constexpr std::int64_t kTaps = 3;
    return backend_.pack_conv1d(type_.conv, get(name + ".weight", {n, n_in, kTaps}),
                                get(name + ".bias", {n}));
  }

 private:
  const ops::Backend& backend_;
  const ComputeType& type_;
  const FilePages pages_;
  const Checkpoint& checkpoint_;
};

SelfAttentionWeights self_attention(const Reader& reader, const std::string& name, std::int64_t n,
                                    float scale) {
  const std::string attn = name + ".attn";
  const TensorView& query_bias = reader.get(attn + ".query.bias", {n});
  const TensorView& value_bias = reader.get(attn + ".value.bias", {n});
  Normed qkv = reader.behind(name + ".attn_ln", n,
                             {{reader.get(attn + ".query.weight", {n, n}), &query_bias, scale},
                              {reader.get(attn + ".key.weight", {n, n})},
                              {reader.get(attn + ".value.weight", {n, n}), &value_bias}});
  return {std::move(qkv.ln), std::move(qkv.linear), reader.linear(attn + ".out", n, n)};
}

CrossAttentionWeights cross_attention(const Reader& reader, const std::string& name, std::int64_t n,
                                      std::int64_t n_audio, float scale) {
  const std::string attn = name + ".cross_attn";
  const TensorView& value_bias = reader.get(attn + ".value.bias", {n});
  const TensorView& query_bias = reader.get(attn + ".query.bias", {n});
  Normed query = reader.behind(name + ".cross_attn_ln", n,
                               {{reader.get(attn + ".query.weight", {n, n}), &query_bias, scale}});
  ops::LinearPtr kv =
      reader.fused({{reader.get(attn + ".key.weight", {n, n_audio})},
                    {reader.get(attn + ".value.weight", {n, n_audio}), &value_bias}});
  return {std::move(query.ln), std::move(query.linear), std::move(kv),
          reader.linear(attn + ".out", n, n)};
}

MlpWeights mlp(const Reader& reader, const std::string& name, std::int64_t n) {
  const TensorView& up_bias = reader.get(name + ".mlp.0.bias", {4 * n});
  Normed up = reader.behind(name + ".mlp_ln", n,
                            {{reader.get(name + ".mlp.0.weight", {4 * n, n}), &up_bias}});
  return {std::move(up.ln), std::move(up.linear), reader.linear(name + ".mlp.2", n, 4 * n)};
}

// openai-whisper model.py sinusoids: (length, channels), sines then cosines, wavelengths from
// 2 pi to 10000 * 2 pi.
Tensor sinusoids(std::int64_t length, std::int64_t channels) {
  Tensor positions({length, channels});
  const std::int64_t half = channels / 2;
  const double step = half > 1 ? std::log(10000.0) / static_cast<double>(half - 1) : 0.0;
  for (std::int64_t t = 0; t < length; ++t) {
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(t) * std::exp(-step * static_cast<double>(i));
      positions.data()[t * channels + i] = static_cast<float>(std::sin(angle));
      positions.data()[t * channels + half + i] = static_cast<float>(std::cos(angle));
    }
  }
  return positions;
}

float attention_scale(std::int64_t n_state, std::int64_t n_head) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(n_state / n_head)));
}

std::size_t sum_bytes(std::initializer_list<const ops::LinearPtr*> linears) {
  std::size_t n = 0;
  for (const ops::LinearPtr* linear : linears) n += (*linear)->n_bytes();
  return n;
}

}  // namespace

Weights Weights::from_checkpoint(const ops::Backend& backend, const ComputeType& type,
                                 const Checkpoint& checkpoint) {
  const Reader reader(backend, type, checkpoint);
  const ModelDims& dims = checkpoint.dims;
  const std::int64_t n_audio = dims.n_audio_state;
  const std::int64_t n_text = dims.n_text_state;
  Weights weights;
  weights.type = type;

  weights.conv1 = reader.conv1d("encoder.conv1", n_audio, dims.n_mels);
  weights.conv2 = reader.conv1d("encoder.conv2", n_audio, n_audio);
  const std::string positions = "encoder.positional_embedding";
  weights.audio_positions = reader.has(positions)
                                ? reader.array(positions, {dims.n_audio_ctx, n_audio})
                                : backend.upload(sinusoids(dims.n_audio_ctx, n_audio).view());
  const float audio_scale = attention_scale(n_audio, dims.n_audio_head);
  for (int layer = 0; layer < dims.n_audio_layer; ++layer) {
    const std::string name = "encoder.blocks." + std::to_string(layer);
    weights.encoder.push_back(
        {self_attention(reader, name, n_audio, audio_scale), mlp(reader, name, n_audio)});
  }
  weights.ln_post = reader.layer_norm("encoder.ln_post", n_audio);

  weights.embedding = reader.embedding("decoder.token_embedding.weight", dims.n_vocab, n_text);
  weights.text_positions = reader.array("decoder.positional_embedding", {dims.n_text_ctx, n_text});
  const float text_scale = attention_scale(n_text, dims.n_text_head);
  for (int layer = 0; layer < dims.n_text_layer; ++layer) {
    const std::string name = "decoder.blocks." + std::to_string(layer);
    weights.decoder.push_back({self_attention(reader, name, n_text, text_scale),
                               cross_attention(reader, name, n_text, n_audio, text_scale),
                               mlp(reader, name, n_text)});
  }
  weights.ln = reader.layer_norm("decoder.ln", n_text);
  return weights;
}

std::size_t Weights::n_bytes() const {
  std::size_t n = sum_bytes({&conv1, &conv2}) + embedding.n_bytes() + audio_positions.n_bytes() +
                  text_positions.n_bytes();
  for (const EncoderBlockWeights& block : encoder) {
    n += sum_bytes({&block.attention.qkv, &block.attention.out, &block.mlp.up, &block.mlp.down});
  }
  for (const DecoderBlockWeights& block : decoder) {
    n += sum_bytes({&block.attention.qkv, &block.attention.out, &block.cross.q, &block.cross.kv,
                    &block.cross.out, &block.mlp.up, &block.mlp.down});
  }
  return n;
}

}  // namespace sottovoce
