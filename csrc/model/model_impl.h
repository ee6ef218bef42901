// The inside of Model and AudioFeatures: packed weights, options, and what is shared by threads.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sottovoce/model.h>

#include "backend.h"
#include "encoder.h"
#include "fork_lock.h"
#include "weights.h"

namespace sottovoce {

// Cross-attention keys and values of one window, every decoder layer.
struct CrossKV {
  std::vector<ops::KeysValuesPtr> layers;  // (n_text_layer)
  std::size_t n_bytes() const;
};

struct AudioFeatures::Impl {
  std::shared_ptr<const ops::Backend> backend;  // of its arrays
  ops::Array values;                            // (n_audio_ctx, n_audio_state)
  std::vector<Tensor> hidden_states;  // n_audio_layer + 1 of (n_audio_ctx, n_audio_state), or none
  Metrics metrics;
  std::weak_ptr<const void> model;  // the one that made it

  // Downloaded by the first who looks; who is lost in a fork at it is not waited for in the child.
  std::once_flag host_values_once;
  Tensor host_values;  // (n_audio_ctx, n_audio_state)

  // Made by the first decoder that listens, then shared: the features stay what they were.
  std::once_flag cross_kv_once;
  std::shared_ptr<const CrossKV> cross_kv;
};

struct Model::Impl : std::enable_shared_from_this<Model::Impl> {
  explicit Impl(const RuntimeOptions& runtime_options);
  // On a back end of these options, which others may use as well.
  Impl(const RuntimeOptions& runtime_options, std::shared_ptr<const ops::Backend> shared);
  // Throws what Model's constructor throws.
  void pack(const Checkpoint& checkpoint);
  ~Impl();

  ModelDims dims;
  RuntimeOptions options;
  std::shared_ptr<const ops::Backend> backend;
  std::string isa;
  std::vector<LayerHead> alignment_heads;
  Weights weights;

  // The cross-attention keys and values of a window, computed once and kept with it; the time that
  // this call took for it is added to `spent_ms`.
  std::shared_ptr<const CrossKV> cross_kv(const AudioFeatures& features, double& spent_ms) const;
  void record(const Metrics& call) const;  // adds to the model's totals
  // Throws ShapeError, in the name of the call `who`, for features of another model.
  void check_features(const char* who, const AudioFeatures& features) const;
  // And for heads that the decoder does not have.
  void check_heads(const char* who, const std::vector<LayerHead>& heads) const;
  // A look at these heads, for n_looks tokens of a pass.
  ops::Look look(const std::vector<LayerHead>& heads, bool softmax, std::size_t n_looks) const;

  // Encodes n_ctx positions of windows, in passes of as many as the device is quickest with;
  // silence follows them.
  std::vector<AudioFeatures> encode(const std::vector<TensorView>& mels, bool hidden_states,
                                    int n_ctx) const;
  // The same in one pass, and adds what comes of them.
  void encode_pass(const std::vector<TensorView>& mels, bool hidden_states, int n_ctx,
                   std::vector<AudioFeatures>& features) const;
  // All positions of a window of which `heard` (n_ctx, n_audio_state) are the first.
  ops::Array before_silence(const ops::Array& heard) const;
  // The features of an empty window: (n_audio_ctx, n_audio_state).
  const Tensor& silence() const;
  // A workspace for as many windows and positions that nobody uses, or a new one; give it back when
  // the pass is over.
  std::unique_ptr<EncoderWorkspace> borrow_workspace(int n_windows, int n_ctx) const;
  void give_back(std::unique_ptr<EncoderWorkspace> workspace) const;
  // Lets them lie if a fork lost the thread that was changing the list.
  void check_idle(const ForkLock& lock) const;
  mutable ForkMutex workspaces_mutex;
  mutable std::vector<std::unique_ptr<EncoderWorkspace>> idle_workspaces;

  mutable std::once_flag silence_once;
  mutable Tensor silence_values;

  mutable ForkMutex metrics_mutex;
  mutable Metrics metrics;
};

}  // namespace sottovoce
