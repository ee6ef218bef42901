// The network: encode a window, step a decoder, look inside.
//
//   Model model(open_checkpoint("whisper-base"), RuntimeOptions{});
//   Tensor mel = log_mel(samples, n_samples, model.dims().n_mels);
//   AudioFeatures features = model.encode(mel.view());
//   DecoderState state = model.new_state({features}, /*n_rows=*/1);
//   Tensor logits = state.step({{sot, en, transcribe, no_timestamps}});   // (1, n_vocab)
//
// Three kinds of thing: weights (immutable, shared by every thread), AudioFeatures (immutable once
// made, shareable), DecoderState (one thread at a time). Every method of Model may be called from
// any number of threads at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sottovoce/checkpoint.h>
#include <sottovoce/dims.h>
#include <sottovoce/error.h>
#include <sottovoce/metrics.h>
#include <sottovoce/runtime.h>
#include <sottovoce/tensor.h>

namespace sottovoce {

// The encoder's output of one window. Cheap to copy: copies share the same memory. The first
// decoder that listens adds the window's cross-attention keys and values, which stay as long as
// this does: 2 * n_audio_ctx * n_text_state * n_text_layer elements, in float32 37 MB for base
// and 490 MB for large-v3, half of that otherwise. The device and the threads of its model stay
// too.
class AudioFeatures {
 public:
  struct Impl;
  explicit AudioFeatures(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

  const Tensor& values() const;  // (n_audio_ctx, n_audio_state), after the final layer norm
  // Empty unless asked for: embedding, then the output of every block, n_audio_layer + 1 in all.
  const std::vector<Tensor>& hidden_states() const;
  const Metrics& metrics() const;  // of the call that made it
  Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

// Rows of text over windows of audio, with their own positions and a preallocated KV cache.
class DecoderState {
 public:
  struct Impl;
  explicit DecoderState(std::shared_ptr<Impl> impl);

  int n_rows() const;
  int n_past(int row) const;  // filled positions of a row

  // Feeds tokens[row] to each row (rows may differ in length; an empty list leaves a row alone) and
  // returns the logits after each row's last token: (n_rows, n_vocab), zeros for rows left alone.
  // Throws StateError if a row would pass n_text_ctx; then no row has moved.
  Tensor step(const std::vector<std::vector<int>>& tokens);
  // The same, with the logits after every token, rows concatenated: (sum of lengths, n_vocab).
  Tensor step_all(const std::vector<std::vector<int>>& tokens);
  // Row i takes over the past (and the window) of row sources[i]. Moves page tables, not caches.
  void rearrange(const std::vector<int>& sources);

  Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

class Model {
 public:
  // Packs the weights; the checkpoint may be dropped afterwards. Throws LoadError naming a missing
  // tensor, a wrong shape or a value that is not finite.
  explicit Model(const Checkpoint& checkpoint, const RuntimeOptions& options = {});

  const ModelDims& dims() const;
  std::string device() const;      // "cpu"
  const std::string& isa() const;  // the kernel table in use
  const std::string& compute_type() const;
  int n_threads() const;
  const std::string& threading() const;
  const std::vector<LayerHead>& alignment_heads() const;
  std::size_t weights_bytes() const;  // packed weights

  // mel (n_mels, n_frames <= 2 * n_audio_ctx) float32; a shorter window is filled with 0.0, as
  // openai-whisper's pad_or_trim does in log-mel space.
  AudioFeatures encode(const TensorView& mel, bool hidden_states = false) const;
  // Several windows, in passes of as many as the device is quickest with: the same bits as alone.
  std::vector<AudioFeatures> encode(const std::vector<TensorView>& mels,
                                    bool hidden_states = false) const;
  // Only n_ctx <= n_audio_ctx positions of each window, in less time; mel (n_mels, n_frames <= 2 *
  // n_ctx). Those behind them are what an empty window has there, which a model computes once. Near
  // to what a whole encoding gives, but another thing: the words may differ.
  std::vector<AudioFeatures> encode_short(const std::vector<TensorView>& mels, int n_ctx) const;

  // A decoder of n_rows rows; row r hears features[r * features.size() / n_rows], so n_rows is a
  // multiple of the number of windows.
  DecoderState new_state(const std::vector<AudioFeatures>& features, int n_rows) const;

  // Teacher forcing: logits after each of `tokens`, (n_tokens, n_vocab).
  Tensor logits(const std::vector<int>& tokens, const AudioFeatures& features) const;

  // Cross-attention of chosen heads while the tokens are fed, (n_heads, n_tokens, n_audio_ctx):
  // weights (rows sum to 1), or the scores before the softmax, scaled by d_head^-0.5.
  Tensor cross_attention(const std::vector<int>& tokens, const AudioFeatures& features,
                         const std::vector<LayerHead>& heads, bool softmax = true) const;

  Metrics metrics() const;  // everything this model has done so far

  struct Impl;
  explicit Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace sottovoce
