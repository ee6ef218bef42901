// The text decoder, forward (openai-whisper model.py TextDecoder). Inputs of all rows share every
// GEMM; only attention knows which row and window an input belongs to.
#include "decoder.h"

#include <algorithm>

namespace sottovoce {

namespace {

// x += self_attention(layer_norm(x)), keys and values into the arena on the way.
void attend_to_past(const DecoderPass& pass, const ops::Step& step, int layer) {
  const SelfAttentionWeights& weights =
      pass.weights.decoder[static_cast<std::size_t>(layer)].attention;
  DecoderWorkspace& work = pass.work;
  pass.backend.norm_linear(work.x, weights.ln, *weights.qkv, *work.normal, work.qkv);
  const std::uint64_t scratch =
      pass.backend.append_and_attend(step, layer, pass.dims.n_text_head, work.qkv, *work.mixed);
  pass.scratch_bytes = std::max(pass.scratch_bytes, scratch);
  pass.backend.add_linear(*work.mixed, *weights.out, work.x);
}

// x += cross_attention(layer_norm(x))
void attend_to_audio(const DecoderPass& pass, const ops::Step& step, int layer) {
  const CrossAttentionWeights& weights =
      pass.weights.decoder[static_cast<std::size_t>(layer)].cross;
  DecoderWorkspace& work = pass.work;
  pass.backend.norm_linear(work.x, weights.ln, *weights.q, *work.normal, *work.q);
  const std::uint64_t scratch = pass.backend.attend_to_audio(step, layer, pass.dims.n_text_head,
                                                             *work.q, *work.mixed, pass.look);
  pass.scratch_bytes = std::max(pass.scratch_bytes, scratch);
  pass.backend.add_linear(*work.mixed, *weights.out, work.x);
}

}  // namespace

DecoderWorkspace::DecoderWorkspace(const ops::Backend& backend, const ModelDims& dims,
                                   const Weights& weights, std::int64_t inputs)
    : n_inputs(inputs),
      x(backend.array({inputs, dims.n_text_state})),
      normal(backend.rows(inputs, dims.n_text_state, weights.type.linear)),
      qkv(backend.array({inputs, 3 * std::int64_t{dims.n_text_state}})),
      q(backend.rows(inputs, dims.n_text_state, weights.type.cross_queries())),
      mixed(backend.rows(inputs, dims.n_text_state, weights.type.linear)),
      mlp(backend.mlp_scratch(inputs, dims.n_text_state, weights.type.linear)) {}

void decode_inputs(const DecoderPass& pass, const ops::StepPlan& plan, ops::Array& logits) {
  const std::unique_ptr<ops::Step> step = pass.backend.prepare(plan, pass.arena);
  ops::Array& x = pass.work.x;
  pass.backend.embed(*step, pass.weights.embedding, pass.weights.text_positions, x);
  for (int layer = 0; layer < pass.dims.n_text_layer; ++layer) {
    attend_to_past(pass, *step, layer);
    attend_to_audio(pass, *step, layer);
    const MlpWeights& mlp = pass.weights.decoder[static_cast<std::size_t>(layer)].mlp;
    pass.backend.add_mlp(mlp.ln, *mlp.up, *mlp.down, *pass.work.mlp, x);
  }
  if (plan.wanted.empty()) return;
  pass.backend.logits(*step, x, pass.weights.ln, pass.weights.embedding, logits);
}

}  // namespace sottovoce
