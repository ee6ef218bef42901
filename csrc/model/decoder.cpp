// The text decoder, forward (openai-whisper model.py TextDecoder). Inputs of all rows share every
// GEMM; only attention knows which row and window an input belongs to.
#include "decoder.h"

#include <algorithm>
#include <limits>
#include <map>

#include "mlp.h"

namespace sottovoce {

namespace {

// x = token embedding + position
Tensor embed_tokens(const DecoderPass& pass, const std::vector<DecoderInput>& inputs) {
  const std::int64_t n = pass.dims.n_text_state;
  const Tensor& rows = pass.weights.embedding_rows;
  Tensor x({static_cast<std::int64_t>(inputs.size()), n});
  float* out = x.data();
  for (const DecoderInput& input : inputs) {
    if (rows.empty()) {
      pass.weights.embedding.unpack_row(input.token, out);
    } else {
      ops::read_row(pass.context, rows.view(), input.token, out);
    }
    const float* position = pass.weights.text_positions.data() + input.pos * n;
    for (std::int64_t i = 0; i < n; ++i) out[i] += position[i];
    out += n;
  }
  return x;
}

// Where every past position of the rows in use stands in layer 0 of the cache.
struct RowPasts {
  std::vector<const float*> keys;    // (n_past)
  std::vector<const float*> values;  // (n_past)
};

std::map<int, RowPasts> find_pasts(KVCache& cache, const std::vector<DecoderInput>& inputs) {
  std::map<int, RowPasts> pasts;
  for (const DecoderInput& input : inputs) {
    RowPasts& past = pasts[input.row];
    for (int pos = static_cast<int>(past.keys.size()); pos <= input.pos; ++pos) {
      past.keys.push_back(cache.key(input.row, pos));
      past.values.push_back(cache.value(input.row, pos));
    }
  }
  return pasts;
}

// Buffers of one pass, reused by every block, and what does not change from layer to layer.
struct Workspace {
  Workspace(const DecoderPass& pass, const std::vector<DecoderInput>& inputs)
      : n_inputs(static_cast<std::int64_t>(inputs.size())),
        n(pass.dims.n_text_state),
        normal(n_inputs, n, pass.weights.type.linear),
        qkv({n_inputs, 3 * n}),
        q(n_inputs, n, pass.weights.type.attention),
        mixed(n_inputs, n, pass.weights.type.linear),
        mlp(n_inputs, n, pass.weights.type.linear),
        pasts(find_pasts(pass.cache, inputs)) {}
  std::int64_t n_inputs;
  std::int64_t n;           // n_text_state
  ops::Activations normal;  // (n_inputs, n) after a layer norm
  Tensor qkv;               // (n_inputs, 3 n), columns q | k | v of self-attention
  ops::Activations q;       // (n_inputs, n) of cross-attention
  ops::Activations mixed;   // (n_inputs, n) out of attention
  MlpScratch mlp;
  std::map<int, RowPasts> pasts;  // by row
};

// x += self_attention(layer_norm(x)), keys and values into the cache on the way.
void attend_to_past(const DecoderPass& pass, const std::vector<DecoderInput>& inputs, int layer,
                    Workspace& work, Tensor& x) {
  const SelfAttentionWeights& weights =
      pass.weights.decoder[static_cast<std::size_t>(layer)].attention;
  const std::int64_t n = work.n;
  ops::layer_norm(pass.context, x.data(), weights.ln.weight, weights.ln.bias, work.normal);
  ops::LinearArgs project{work.normal.view(), work.n_inputs, {}};
  for (std::int64_t block = 0; block < 3; ++block) {
    project.out.push_back({work.qkv.data() + block * n, DType::kFloat32, 3 * n});
  }
  ops::linear(pass.context, weights.qkv, project);
  const std::int64_t layer_offset = layer * pass.cache.layer_stride();
  std::vector<ops::CachedRow> rows;
  rows.reserve(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const DecoderInput& input = inputs[i];
    const float* qkv = work.qkv.data() + static_cast<std::int64_t>(i) * 3 * n;
    std::copy_n(qkv + n, n, pass.cache.key(input.row, input.pos) + layer_offset);
    std::copy_n(qkv + 2 * n, n, pass.cache.value(input.row, input.pos) + layer_offset);
    const RowPasts& past = work.pasts.at(input.row);
    rows.push_back({qkv, past.keys.data(), past.values.data(), input.pos + 1});
  }
  const std::uint64_t scratch =
      ops::cached_attention(pass.context, rows, layer_offset, pass.dims.n_text_head,
                            n / pass.dims.n_text_head, work.mixed);
  pass.scratch_bytes = std::max(pass.scratch_bytes, scratch);
  ops::add_linear(pass.context, weights.out, work.mixed, x.data());
}

// Leaves the chosen heads of this layer with the probe: inputs are those of one row.
void look(const DecoderPass& pass, int layer, const ops::PackedKeysValues& audio,
          const Workspace& work) {
  const CrossAttentionProbe& probe = *pass.probe;
  const std::int64_t d_head = work.n / pass.dims.n_text_head;
  for (std::size_t i = 0; i < probe.heads.size(); ++i) {
    if (probe.heads[i].layer != layer) continue;
    float* out = probe.out + static_cast<std::int64_t>(i) * work.n_inputs * audio.n_ctx();
    ops::attention_scores(pass.context, audio, work.q, probe.heads[i].head, d_head, out);
    if (probe.softmax) ops::softmax_rows(pass.context, out, work.n_inputs, audio.n_ctx());
  }
}

// x += cross_attention(layer_norm(x)); inputs that hear one window read its keys and values
// together.
void attend_to_audio(const DecoderPass& pass, const std::vector<DecoderInput>& inputs, int layer,
                     Workspace& work, Tensor& x) {
  const CrossAttentionWeights& weights =
      pass.weights.decoder[static_cast<std::size_t>(layer)].cross;
  ops::layer_norm(pass.context, x.data(), weights.ln.weight, weights.ln.bias, work.normal);
  ops::linear(pass.context, weights.q, work.normal, ops::Activation::kNone, work.q);
  const auto window_of = [&](std::size_t i) {
    return pass.window_of_row[static_cast<std::size_t>(inputs[i].row)];
  };
  ops::AttentionArgs args;
  for (std::size_t first = 0; first < inputs.size();) {
    const int window = window_of(first);
    std::size_t last = first;
    while (last < inputs.size() && window_of(last) == window) ++last;
    const ops::PackedKeysValues& audio =
        pass.cross[static_cast<std::size_t>(window)]->layers[static_cast<std::size_t>(layer)];
    args.groups.push_back(
        {&audio, static_cast<std::int64_t>(first), static_cast<std::int64_t>(last - first)});
    first = last;
  }
  args.q = &work.q;
  args.out = &work.mixed;
  args.n_head = pass.dims.n_text_head;
  args.d_head = work.n / pass.dims.n_text_head;
  const std::uint64_t scratch = ops::attention(pass.context, args);
  pass.scratch_bytes = std::max(pass.scratch_bytes, scratch);
  if (pass.probe) look(pass, layer, *args.groups.front().keys_values, work);
  ops::add_linear(pass.context, weights.out, work.mixed, x.data());
}

}  // namespace

Tensor decode_inputs(const DecoderPass& pass, const std::vector<DecoderInput>& inputs) {
  Tensor x = embed_tokens(pass, inputs);
  Workspace work(pass, inputs);
  for (int layer = 0; layer < pass.dims.n_text_layer; ++layer) {
    attend_to_past(pass, inputs, layer, work, x);
    attend_to_audio(pass, inputs, layer, work, x);
    add_mlp(pass.context, pass.weights.decoder[static_cast<std::size_t>(layer)].mlp, work.mlp, x);
  }
  return x;
}

void project_logits(const ops::Context& context, const Weights& weights, const Tensor& hidden,
                    const std::vector<int>& first, float* logits) {
  constexpr int kRescored = 32;  // candidates of a row: a beam search of 31 looks at as many
  const std::int64_t n_rows = hidden.shape()[0];
  const std::int64_t n = hidden.shape()[1];
  const ops::PackedLinear& embedding = weights.embedding;
  ops::Activations normal(n_rows, n, DType::kFloat32);
  ops::layer_norm(context, hidden.data(), weights.ln.weight, weights.ln.bias, normal);
  ops::Activations inputs(n_rows, n, embedding.dtype());
  ops::convert(context, normal.written().data(), n, inputs);
  ops::LinearArgs project{inputs.view(), n_rows, {{logits, DType::kFloat32, embedding.n}}};
  project.first_panel = *std::min_element(first.begin(), first.end()) / embedding.nr;
  for (std::int64_t row = 0; row < n_rows; ++row) {
    std::fill_n(logits + row * embedding.n, project.first_panel * embedding.nr,
                -std::numeric_limits<float>::infinity());
  }
  ops::linear(context, embedding, project);
  if (weights.embedding_rows.empty()) return;
  ops::rescore_best(context, weights.embedding_rows.view(), normal, first, kRescored, logits);
}

}  // namespace sottovoce
