// The text decoder, forward (openai-whisper model.py TextDecoder). Inputs of all rows share every
// GEMM; only attention knows which row and window an input belongs to.
#include "decoder.h"

#include <algorithm>

#include "mlp.h"

namespace sottovoce {

namespace {

// Inputs that hear one window: those from `first` on.
struct WindowInputs {
  int window = 0;
  std::int64_t first = 0;
  std::int64_t n_inputs = 0;
};

std::vector<WindowInputs> split_by_window(const ops::StepPlan& plan) {
  std::vector<WindowInputs> windows;
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    if (windows.empty() || windows.back().window != plan.inputs[i].window) {
      windows.push_back({plan.inputs[i].window, static_cast<std::int64_t>(i), 0});
    }
    ++windows.back().n_inputs;
  }
  return windows;
}

// Room of one pass, reused by every block, and what does not change from layer to layer.
struct Workspace {
  Workspace(const DecoderPass& pass, const ops::StepPlan& plan)
      : n_inputs(static_cast<std::int64_t>(plan.inputs.size())),
        n(pass.dims.n_text_state),
        x(pass.backend.array({n_inputs, n})),
        normal(pass.backend.rows(n_inputs, n, pass.weights.type.linear)),
        qkv(pass.backend.array({n_inputs, 3 * n})),
        q(pass.backend.rows(n_inputs, n, pass.weights.type.attention)),
        mixed(pass.backend.rows(n_inputs, n, pass.weights.type.linear)),
        mlp(pass.backend, n_inputs, n, pass.weights.type.linear),
        windows(split_by_window(plan)),
        step(pass.backend.prepare(plan, pass.arena)) {}
  std::int64_t n_inputs;
  std::int64_t n;       // n_text_state
  ops::Array x;         // (n_inputs, n) residual stream
  ops::RowsPtr normal;  // (n_inputs, n) after a layer norm
  ops::Array qkv;       // (n_inputs, 3 n), columns q | k | v of self-attention
  ops::RowsPtr q;       // (n_inputs, n) of cross-attention
  ops::RowsPtr mixed;   // (n_inputs, n) out of attention
  MlpScratch mlp;
  std::vector<WindowInputs> windows;
  std::unique_ptr<ops::Step> step;
};

// x += self_attention(layer_norm(x)), keys and values into the arena on the way.
void attend_to_past(const DecoderPass& pass, int layer, Workspace& work) {
  const SelfAttentionWeights& weights =
      pass.weights.decoder[static_cast<std::size_t>(layer)].attention;
  pass.backend.norm_linear(work.x, weights.ln, *weights.qkv, *work.normal, work.qkv);
  const std::uint64_t scratch = pass.backend.append_and_attend(
      *work.step, layer, pass.dims.n_text_head, work.qkv, *work.mixed);
  pass.scratch_bytes = std::max(pass.scratch_bytes, scratch);
  pass.backend.add_linear(*work.mixed, *weights.out, work.x);
}

// Leaves the chosen heads of this layer with the probe: inputs are those of one row.
void look(const DecoderPass& pass, int layer, const ops::KeysValues& audio, const Workspace& work) {
  CrossAttentionProbe& probe = *pass.probe;
  for (std::size_t i = 0; i < probe.heads.size(); ++i) {
    if (probe.heads[i].layer != layer) continue;
    pass.backend.attention_scores(audio, *work.q, pass.dims.n_text_head, probe.heads[i].head,
                                  probe.softmax, probe.out, static_cast<std::int64_t>(i));
  }
}

// x += cross_attention(layer_norm(x)); inputs that hear one window read its keys and values
// together.
void attend_to_audio(const DecoderPass& pass, int layer, Workspace& work) {
  const CrossAttentionWeights& weights =
      pass.weights.decoder[static_cast<std::size_t>(layer)].cross;
  pass.backend.norm_linear(work.x, weights.ln, *weights.q, *work.normal, *work.q);
  std::vector<ops::AttentionGroup> groups;
  for (const WindowInputs& inputs : work.windows) {
    const CrossKV& audio = *pass.cross[static_cast<std::size_t>(inputs.window)];
    groups.push_back(
        {audio.layers[static_cast<std::size_t>(layer)].get(), inputs.first, inputs.n_inputs});
  }
  const std::uint64_t scratch =
      pass.backend.attention(groups, pass.dims.n_text_head, *work.q, *work.mixed);
  pass.scratch_bytes = std::max(pass.scratch_bytes, scratch);
  if (pass.probe) look(pass, layer, *groups.front().keys_values, work);
  pass.backend.add_linear(*work.mixed, *weights.out, work.x);
}

}  // namespace

ops::Array decode_inputs(const DecoderPass& pass, const ops::StepPlan& plan) {
  Workspace work(pass, plan);
  pass.backend.embed(*work.step, pass.weights.embedding, pass.weights.text_positions, work.x);
  for (int layer = 0; layer < pass.dims.n_text_layer; ++layer) {
    attend_to_past(pass, layer, work);
    attend_to_audio(pass, layer, work);
    add_mlp(pass.backend, pass.weights.decoder[static_cast<std::size_t>(layer)].mlp, work.mlp,
            work.x);
  }
  return std::move(work.x);
}

}  // namespace sottovoce
