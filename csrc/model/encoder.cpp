// The audio encoder, forward (openai-whisper model.py AudioEncoder).
#include "encoder.h"

#include <algorithm>

#include "interruption.h"

namespace sottovoce {

namespace {

// x += attention(layer_norm(x)), each window to itself.
void attend(EncoderPass& pass, const SelfAttentionWeights& weights) {
  EncoderWorkspace& work = pass.work;
  pass.backend.norm_qkv(work.x, weights.ln, *weights.qkv, *work.normal, *work.q, work.keys_values);
  std::uint64_t scratch =
      pass.backend.attend_to_window(work.keys_values, pass.dims.n_audio_head, *work.q, *work.mixed);
  for (const ops::KeysValuesPtr& of_window : work.keys_values) scratch += of_window->n_bytes();
  pass.scratch_bytes = std::max(pass.scratch_bytes, scratch);
  pass.backend.add_linear(*work.mixed, *weights.out, work.x);
}

}  // namespace

EncoderWorkspace::EncoderWorkspace(const ops::Backend& backend, const ModelDims& dims,
                                   const Weights& weights, int windows, int positions)
    : n_windows(windows),
      n_ctx(positions),
      frames(backend.array({windows, kInputStride * n_ctx + 2, dims.n_mels}, weights.type.conv)),
      stem(backend.zeros({windows, kInputStride * n_ctx + 2, dims.n_audio_state},
                         weights.type.conv)),
      x(backend.array({windows, n_ctx, dims.n_audio_state})),
      normal(backend.rows(x.n_rows(), dims.n_audio_state, weights.type.linear)),
      q(backend.rows(x.n_rows(), dims.n_audio_state, weights.type.attention)),
      mixed(backend.rows(x.n_rows(), dims.n_audio_state, weights.type.linear)),
      mlp(backend.mlp_scratch(x.n_rows(), dims.n_audio_state, weights.type.linear)) {
  for (int window = 0; window < windows; ++window) {
    keys_values.push_back(backend.keys_values(weights.type.attention, n_ctx, dims.n_audio_head,
                                              dims.n_audio_state / dims.n_audio_head));
  }
}

std::vector<EncodedWindow> encode_windows(EncoderPass& pass, const std::vector<TensorView>& mels,
                                          bool hidden_states) {
  const auto& [backend, dims, weights, work, scratch_bytes] = pass;
  std::vector<EncodedWindow> encoded(mels.size());
  const auto first_row = [&](std::size_t window) {
    return static_cast<std::int64_t>(window) * pass.work.n_ctx;
  };
  const auto keep_hidden_state = [&] {
    for (std::size_t window = 0; hidden_states && window < encoded.size(); ++window) {
      encoded[window].hidden_states.push_back(
          pass.backend.download(pass.work.x, first_row(window), pass.work.n_ctx));
    }
  };
  backend.frames(mels, work.frames);
  backend.convolve(*weights.conv1, work.frames, 1, nullptr, work.stem);
  backend.convolve(*weights.conv2, work.stem, kInputStride, &weights.audio_positions, work.x);
  keep_hidden_state();
  for (const EncoderBlockWeights& block : weights.encoder) {
    check_interruption();  // whatever the back end does
    attend(pass, block.attention);
    backend.add_mlp(block.mlp.ln, *block.mlp.up, *block.mlp.down, *work.mlp, work.x);
    keep_hidden_state();
  }
  for (std::size_t window = 0; window < encoded.size(); ++window) {
    encoded[window].features = backend.array({work.n_ctx, dims.n_audio_state});
    backend.layer_norm(work.x, first_row(window), weights.ln_post, encoded[window].features);
  }
  return encoded;
}

}  // namespace sottovoce
