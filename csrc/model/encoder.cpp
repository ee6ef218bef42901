// The audio encoder, forward (openai-whisper model.py AudioEncoder).
#include "encoder.h"

#include <algorithm>

namespace sottovoce {

namespace {

// x += attention(layer_norm(x)), each window to itself.
std::size_t attend(const ops::Backend& backend, const ModelDims& dims,
                   const SelfAttentionWeights& weights, EncoderWorkspace& work) {
  backend.norm_qkv(work.x, weights.ln, *weights.qkv, *work.normal, *work.q, work.keys_values);
  std::vector<ops::AttentionGroup> groups;
  std::size_t n_bytes = 0;
  for (const ops::KeysValuesPtr& of_window : work.keys_values) {
    const auto window = static_cast<std::int64_t>(groups.size());
    groups.push_back({of_window.get(), window * dims.n_audio_ctx, dims.n_audio_ctx});
    n_bytes += of_window->n_bytes();
  }
  n_bytes += backend.attention(groups, dims.n_audio_head, *work.q, *work.mixed);
  backend.add_linear(*work.mixed, *weights.out, work.x);
  return n_bytes;
}

std::vector<ops::KeysValuesPtr> keys_values(const ops::Backend& backend, const ModelDims& dims,
                                            DType dtype, int n_windows) {
  std::vector<ops::KeysValuesPtr> of_windows;
  for (int window = 0; window < n_windows; ++window) {
    of_windows.push_back(backend.keys_values(dtype, dims.n_audio_ctx, dims.n_audio_head,
                                             dims.n_audio_state / dims.n_audio_head));
  }
  return of_windows;
}

}  // namespace

EncoderWorkspace::EncoderWorkspace(const ops::Backend& backend, const ModelDims& dims,
                                   const Weights& weights, int windows)
    : n_windows(windows),
      frames(backend.array({windows, dims.n_frames() + 2, dims.n_mels}, weights.type.conv)),
      stem(backend.zeros({windows, dims.n_frames() + 2, dims.n_audio_state}, weights.type.conv)),
      x(backend.array({windows, dims.n_audio_ctx, dims.n_audio_state})),
      normal(backend.rows(x.n_rows(), dims.n_audio_state, weights.type.linear)),
      q(backend.rows(x.n_rows(), dims.n_audio_state, weights.type.attention)),
      keys_values(sottovoce::keys_values(backend, dims, weights.type.attention, windows)),
      mixed(backend.rows(x.n_rows(), dims.n_audio_state, weights.type.linear)),
      mlp(backend, x.n_rows(), dims.n_audio_state, weights.type.linear) {}

std::vector<EncodedWindow> encode_windows(const ops::Backend& backend, const ModelDims& dims,
                                          const Weights& weights,
                                          const std::vector<TensorView>& mels, bool hidden_states,
                                          EncoderWorkspace& work, std::uint64_t& scratch_bytes) {
  std::vector<EncodedWindow> encoded(mels.size());
  const auto keep_hidden_state = [&] {
    if (!hidden_states) return;
    for (std::size_t window = 0; window < encoded.size(); ++window) {
      const auto first_row = static_cast<std::int64_t>(window) * dims.n_audio_ctx;
      encoded[window].hidden_states.push_back(
          backend.download(work.x, first_row, dims.n_audio_ctx));
    }
  };
  backend.frames(mels, work.frames);
  backend.convolve(*weights.conv1, work.frames, 1, nullptr, work.stem);
  backend.convolve(*weights.conv2, work.stem, kInputStride, &weights.audio_positions, work.x);
  keep_hidden_state();
  for (const EncoderBlockWeights& block : weights.encoder) {
    const std::uint64_t scratch = attend(backend, dims, block.attention, work);
    scratch_bytes = std::max(scratch_bytes, scratch);
    add_mlp(backend, block.mlp, work.mlp, work.x);
    keep_hidden_state();
  }
  for (std::size_t window = 0; window < encoded.size(); ++window) {
    const auto first_row = static_cast<std::int64_t>(window) * dims.n_audio_ctx;
    encoded[window].features = backend.array({dims.n_audio_ctx, dims.n_audio_state});
    backend.layer_norm(work.x, first_row, weights.ln_post, encoded[window].features);
  }
  return encoded;
}

}  // namespace sottovoce
