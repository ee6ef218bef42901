// The shapes of weights.h once more, as what must have been read. A file may be damaged or forged
// in a way that no checksum tells.
#include "check_network.h"

#include <algorithm>
#include <initializer_list>

#include "verbs.h"

namespace sottovoce::packed {

namespace {

using Columns = std::initializer_list<std::int64_t>;

class Checker {
 public:
  Checker(const ops::Context& context, const ComputeType& type) : context_(context), type_(type) {}

  bool linear(const ops::LinearPtr& weight, Columns ns, std::int64_t k, bool with_bias) const {
    return packed(weight, type_.linear, ns, k, with_bias);
  }

  bool conv(const ops::LinearPtr& weight, std::int64_t n, std::int64_t n_in) const {
    constexpr std::int64_t kTaps = 3;
    return packed(weight, type_.conv, {n}, kTaps * n_in, true);
  }

  static bool array(const ops::Array& array, const Shape& shape) {
    return has_shape(array, shape) && array.dtype() == DType::kFloat32;
  }

  static bool norm(const ops::LayerNorm& ln, std::int64_t n) {
    return array(ln.weight, {n}) && array(ln.bias, {n});
  }

  bool embedding(const ops::Embedding& embedding, std::int64_t n_vocab, std::int64_t n) const {
    if (!linear(embedding.linear, {n_vocab}, n, false)) return false;
    if (type_.linear == DType::kFloat32) return embedding.rows.empty();
    return has_shape(embedding.rows, {n_vocab, n}) && embedding.rows.dtype() != DType::kInt8;
  }

  bool attention(const SelfAttentionWeights& weights, std::int64_t n) const {
    return norm(weights.ln, n) && linear(weights.qkv, {n, n, n}, n, true) &&
           linear(weights.out, {n}, n, true);
  }

  bool cross(const CrossAttentionWeights& weights, std::int64_t n) const {
    return norm(weights.ln, n) && linear(weights.q, {n}, n, true) &&
           linear(weights.kv, {n, n}, n, true) && linear(weights.out, {n}, n, true);
  }

  bool mlp(const MlpWeights& weights, std::int64_t n) const {
    return norm(weights.ln, n) && linear(weights.up, {4 * n}, n, true) &&
           linear(weights.down, {n}, 4 * n, true);
  }

 private:
  static bool has_shape(const ops::Array& array, const Shape& shape) {
    return !array.empty() && array.shape() == shape;
  }

  bool packed(const ops::LinearPtr& weight, DType dtype, Columns ns, std::int64_t k,
              bool with_bias) const {
    return ops::is_packed_as(context_, static_cast<const ops::PackedLinear&>(*weight), dtype, ns, k,
                             with_bias);
  }

  const ops::Context& context_;
  const ComputeType& type_;
};

}  // namespace

bool is_whole(const ops::Context& context, const Network& network) {
  const ModelDims& dims = network.dims;
  const Weights& weights = network.weights;
  const Checker checker(context, weights.type);
  const std::int64_t n_audio = dims.n_audio_state;
  const std::int64_t n_text = dims.n_text_state;
  const auto is_head = [&](const LayerHead& entry) {
    return entry.layer >= 0 && entry.layer < dims.n_text_layer && entry.head >= 0 &&
           entry.head < dims.n_text_head;
  };
  const auto is_encoder_block = [&](const EncoderBlockWeights& block) {
    return checker.attention(block.attention, n_audio) && checker.mlp(block.mlp, n_audio);
  };
  const auto is_decoder_block = [&](const DecoderBlockWeights& block) {
    return checker.attention(block.attention, n_text) && checker.cross(block.cross, n_text) &&
           checker.mlp(block.mlp, n_text);
  };
  const auto count = [](const auto& items) { return static_cast<std::int64_t>(items.size()); };
  const auto all = [](const auto& items, const auto& fits) {
    return std::all_of(items.begin(), items.end(), fits);
  };
  return all(network.alignment_heads, is_head) &&
         checker.conv(weights.conv1, n_audio, dims.n_mels) &&
         checker.conv(weights.conv2, n_audio, n_audio) &&
         Checker::array(weights.audio_positions, {dims.n_audio_ctx, n_audio}) &&
         count(weights.encoder) == dims.n_audio_layer && all(weights.encoder, is_encoder_block) &&
         Checker::norm(weights.ln_post, n_audio) &&
         checker.embedding(weights.embedding, dims.n_vocab, n_text) &&
         Checker::array(weights.text_positions, {dims.n_text_ctx, n_text}) &&
         count(weights.decoder) == dims.n_text_layer && all(weights.decoder, is_decoder_block) &&
         Checker::norm(weights.ln, n_text);
}

}  // namespace sottovoce::packed
