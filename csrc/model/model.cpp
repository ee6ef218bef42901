// Model: the door to the network. Checks what comes in, times what it does, keeps nothing but
// weights and totals.
#include <sottovoce/model.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>

#include "decoder_state.h"
#include "elapsed.h"
#include "encoder.h"
#include "model_impl.h"
#include "plain_arithmetic.h"

namespace sottovoce {

namespace {

// openai-whisper's default: every head of the last half of the decoder layers.
std::vector<LayerHead> default_alignment_heads(const ModelDims& dims) {
  std::vector<LayerHead> heads;
  for (int layer = dims.n_text_layer / 2; layer < dims.n_text_layer; ++layer) {
    for (int head = 0; head < dims.n_text_head; ++head) heads.push_back({layer, head});
  }
  return heads;
}

std::string describe(const LayerHead& entry) {
  return "(layer=" + std::to_string(entry.layer) + ", head=" + std::to_string(entry.head) + ")";
}

bool exists(const ModelDims& dims, const LayerHead& entry) {
  return entry.layer >= 0 && entry.layer < dims.n_text_layer && entry.head >= 0 &&
         entry.head < dims.n_text_head;
}

std::string expected_heads(const ModelDims& dims) {
  return "(layer<" + std::to_string(dims.n_text_layer) + ", head<" +
         std::to_string(dims.n_text_head) + ")";
}

std::vector<LayerHead> alignment_heads_of(const Checkpoint& checkpoint) {
  if (!checkpoint.alignment_heads || checkpoint.alignment_heads->empty()) {
    return default_alignment_heads(checkpoint.dims);
  }
  for (const LayerHead& entry : *checkpoint.alignment_heads) {
    if (!exists(checkpoint.dims, entry)) {
      throw LoadError(checkpoint.source + ": alignment head must be " +
                      expected_heads(checkpoint.dims) + ", got " + describe(entry));
    }
  }
  return *checkpoint.alignment_heads;
}

// A weak pointer keeps the identity of its owner from being given to another.
bool same_owner(const std::weak_ptr<const void>& a, const std::weak_ptr<const void>& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

void check_mel(const ops::Context& context, int n_mels, int n_frames, const TensorView& mel) {
  const bool fits = mel.dtype == DType::kFloat32 && mel.shape.size() == 2 &&
                    mel.shape[0] == n_mels && mel.shape[1] <= n_frames;
  if (!fits) {
    throw ShapeError("encode: mel must be (n_mels=" + std::to_string(n_mels) + ", n_frames<=" +
                     std::to_string(n_frames) + ") float32, got " + mel.describe());
  }
  if (!ops::all_finite(context, mel)) {
    throw ShapeError("encode: mel must be finite, got NaN or infinity");
  }
}

// Finite values may still be too large for the numbers inside the network.
void check_encoded(const ops::Backend& backend, const TensorView& mel, const ops::Array& features) {
  if (backend.all_finite(features)) return;
  float largest = 0.0f;
  for (std::int64_t i = 0; i < mel.size(); ++i) largest = std::max(largest, std::abs(mel.f32()[i]));
  char text[32];
  std::snprintf(text, sizeof(text), "%g", static_cast<double>(largest));
  throw ShapeError("encode: mel must be a log-mel spectrogram, of values from -2 to 3 or so, got " +
                   std::string(text) + ", which overflows inside the network");
}

}  // namespace

std::size_t CrossKV::n_bytes() const {
  std::size_t n = 0;
  for (const ops::KeysValuesPtr& layer : layers) n += layer->n_bytes();
  return n;
}

const Tensor& AudioFeatures::values() const {
  std::call_once(impl_->host_values_once,
                 [this] { impl_->host_values = impl_->backend->take(impl_->values); });
  return impl_->host_values;
}
const std::vector<Tensor>& AudioFeatures::hidden_states() const { return impl_->hidden_states; }
const Metrics& AudioFeatures::metrics() const { return impl_->metrics; }

Model::Impl::Impl(const RuntimeOptions& runtime_options)
    : Impl(runtime_options, ops::open_backend(runtime_options)) {}

Model::Impl::Impl(const RuntimeOptions& runtime_options, std::shared_ptr<const ops::Backend> shared)
    : options(runtime_options), backend(std::move(shared)), isa(ops::isa_name(backend->host())) {}

Model::Impl::~Impl() {
  const ForkLock lock(workspaces_mutex);
  check_idle(lock);
}

Model::Model(const Checkpoint& checkpoint, const RuntimeOptions& options)
    : impl_(std::make_shared<Impl>(options)) {
  impl_->pack(checkpoint);
}

void Model::Impl::pack(const Checkpoint& checkpoint) {
  const PlainArithmetic plain;
  const ComputeType type = backend->compute_type(options.compute_type);
  options.compute_type = type.name;
  checkpoint.dims.validate();
  dims = checkpoint.dims;
  alignment_heads = alignment_heads_of(checkpoint);
  weights = Weights::from_checkpoint(*backend, type, checkpoint);
}

const ModelDims& Model::dims() const { return impl_->dims; }
std::string Model::device() const { return impl_->backend->device(); }
const std::string& Model::isa() const { return impl_->isa; }
const std::string& Model::compute_type() const { return impl_->options.compute_type; }
int Model::n_threads() const { return impl_->backend->host().threads->n_threads(); }
const std::string& Model::threading() const { return impl_->options.threading; }
const std::vector<LayerHead>& Model::alignment_heads() const { return impl_->alignment_heads; }
std::size_t Model::weights_bytes() const { return impl_->weights.n_bytes(); }

AudioFeatures Model::encode(const TensorView& mel, bool hidden_states) const {
  return encode(std::vector<TensorView>{mel}, hidden_states).front();
}

std::vector<AudioFeatures> Model::encode(const std::vector<TensorView>& mels,
                                         bool hidden_states) const {
  return impl_->encode(mels, hidden_states, impl_->dims.n_audio_ctx);
}

std::vector<AudioFeatures> Model::encode_short(const std::vector<TensorView>& mels,
                                               int n_ctx) const {
  if (n_ctx < 1 || n_ctx > impl_->dims.n_audio_ctx) {
    throw ShapeError("encode: n_ctx must be in 1..n_audio_ctx=" +
                     std::to_string(impl_->dims.n_audio_ctx) + ", got " + std::to_string(n_ctx));
  }
  return impl_->encode(mels, false, n_ctx);
}

std::vector<AudioFeatures> Model::Impl::encode(const std::vector<TensorView>& mels,
                                               bool hidden_states, int n_ctx) const {
  const PlainArithmetic plain;
  for (const TensorView& mel : mels) {
    check_mel(backend->host(), dims.n_mels, kInputStride * n_ctx, mel);
  }
  std::vector<AudioFeatures> features;
  const auto at_once = static_cast<std::size_t>(backend->windows_at_once());
  for (std::size_t first = 0; first < mels.size(); first += at_once) {
    const std::size_t last = std::min(first + at_once, mels.size());
    encode_pass({mels.begin() + static_cast<std::ptrdiff_t>(first),
                 mels.begin() + static_cast<std::ptrdiff_t>(last)},
                hidden_states, n_ctx, features);
  }
  return features;
}

const Tensor& Model::Impl::silence() const {
  std::call_once(silence_once, [this] {
    const Tensor nothing({dims.n_mels, 0});
    std::vector<AudioFeatures> features;
    encode_pass({nothing.view()}, false, dims.n_audio_ctx, features);
    silence_values = backend->take(features.front().impl().values);
  });
  return silence_values;
}

void Model::Impl::encode_pass(const std::vector<TensorView>& mels, bool hidden_states, int n_ctx,
                              std::vector<AudioFeatures>& features) const {
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<EncoderWorkspace> workspace =
      borrow_workspace(static_cast<int>(mels.size()), n_ctx);
  EncoderPass pass{*backend, dims, weights, *workspace};
  std::vector<EncodedWindow> encoded = encode_windows(pass, mels, hidden_states);
  give_back(std::move(workspace));
  for (std::size_t window = 0; window < encoded.size(); ++window) {
    check_encoded(*backend, mels[window], encoded[window].features);
  }
  Metrics of_window;
  of_window.attention_scratch_bytes = pass.scratch_bytes;
  of_window.encoder_calls = 1;
  of_window.encoder_forward_ms = ms_since(start) / static_cast<double>(mels.size());
  for (EncodedWindow& window : encoded) {
    auto made = std::make_shared<AudioFeatures::Impl>();
    made->backend = backend;
    made->model = weak_from_this();
    made->values = std::move(window.features);
    if (n_ctx < dims.n_audio_ctx) made->values = before_silence(made->values);
    made->hidden_states = std::move(window.hidden_states);
    made->metrics = of_window;
    record(of_window);
    features.push_back(AudioFeatures(std::move(made)));
  }
}

ops::Array Model::Impl::before_silence(const ops::Array& heard) const {
  const std::int64_t n_ctx = heard.n_rows();
  const std::int64_t n = dims.n_audio_state;
  ops::Array all = backend->array({dims.n_audio_ctx, n});
  backend->upload(backend->download(heard, 0, n_ctx).view(), 0, all);
  const TensorView rest{
      silence().data() + n_ctx * n, DType::kFloat32, {dims.n_audio_ctx - n_ctx, n}};
  backend->upload(rest, n_ctx, all);
  return all;
}

std::unique_ptr<EncoderWorkspace> Model::Impl::borrow_workspace(int n_windows, int n_ctx) const {
  {
    const ForkLock lock(workspaces_mutex);
    check_idle(lock);
    const auto fits = std::find_if(
        idle_workspaces.begin(), idle_workspaces.end(), [n_windows, n_ctx](const auto& workspace) {
          return workspace->n_windows == n_windows && workspace->n_ctx == n_ctx;
        });
    if (fits != idle_workspaces.end()) {
      std::unique_ptr<EncoderWorkspace> workspace = std::move(*fits);
      idle_workspaces.erase(fits);
      return workspace;
    }
  }
  return std::make_unique<EncoderWorkspace>(*backend, dims, weights, n_windows, n_ctx);
}

void Model::Impl::give_back(std::unique_ptr<EncoderWorkspace> workspace) const {
  constexpr std::size_t kMostIdle = 2;  // for windows that are encoded side by side
  const ForkLock lock(workspaces_mutex);
  check_idle(lock);
  idle_workspaces.push_back(std::move(workspace));
  // What was not wanted for longest goes.
  if (idle_workspaces.size() > kMostIdle) idle_workspaces.erase(idle_workspaces.begin());
}

void Model::Impl::check_idle(const ForkLock& lock) const {
  if (lock.was_lost()) new (&idle_workspaces) std::vector<std::unique_ptr<EncoderWorkspace>>();
}

std::shared_ptr<const CrossKV> Model::Impl::cross_kv(const AudioFeatures& features,
                                                     double& spent_ms) const {
  AudioFeatures::Impl& window = features.impl();
  std::call_once(window.cross_kv_once, [&] {
    const auto start = std::chrono::steady_clock::now();
    auto made = std::make_shared<CrossKV>();
    const ops::RowsPtr inputs =
        backend->rows(dims.n_audio_ctx, dims.n_audio_state, weights.type.linear);
    backend->convert(window.values, *inputs);
    for (const DecoderBlockWeights& block : weights.decoder) {
      made->layers.push_back(backend->keys_values(weights.type.cross, dims.n_audio_ctx,
                                                  dims.n_text_head,
                                                  dims.n_text_state / dims.n_text_head));
      backend->project_keys_values(*block.cross.kv, *inputs, *made->layers.back());
    }
    window.cross_kv = std::move(made);
    spent_ms += ms_since(start);
  });
  return window.cross_kv;
}

DecoderState Model::new_state(const std::vector<AudioFeatures>& features, int n_rows) const {
  const PlainArithmetic plain;
  const auto n_windows = static_cast<int>(features.size());
  if (n_windows == 0 || n_rows < n_windows || n_rows % n_windows != 0 ||
      n_rows > PageTable::kMostRows) {
    throw ShapeError("new_state: n_rows must be a multiple of the number of windows (" +
                     std::to_string(n_windows) + ") up to " + std::to_string(PageTable::kMostRows) +
                     ", got " + std::to_string(n_rows));
  }
  for (const AudioFeatures& window : features) impl_->check_features("new_state", window);
  auto state = std::make_shared<DecoderState::Impl>(impl_, n_windows, n_rows);
  Metrics made;
  for (int window = 0; window < n_windows; ++window) {
    made.cross_kv_ms += state->listen(window, features[static_cast<std::size_t>(window)]);
  }
  impl_->record(made);
  return DecoderState(std::move(state));
}

Tensor Model::logits(const std::vector<int>& tokens, const AudioFeatures& features) const {
  if (tokens.empty()) throw ShapeError("logits: tokens must have one token at least, got 0");
  return new_state({features}, 1).step_all({tokens});
}

Tensor Model::cross_attention(const std::vector<int>& tokens, const AudioFeatures& features,
                              const std::vector<LayerHead>& heads, bool softmax) const {
  if (tokens.empty()) {
    throw ShapeError("cross_attention: tokens must have one token at least, got 0");
  }
  impl_->check_heads("cross_attention", heads);
  std::vector<Fed> fed;
  for (const int token : tokens) fed.push_back({0, token, -1, true});
  ops::Look look = impl_->look(heads, softmax, tokens.size());
  ops::Array no_logits;
  new_state({features}, 1).impl().forward(fed, no_logits, &look);
  return impl_->backend->take(look.out);
}

void Model::Impl::check_features(const char* who, const AudioFeatures& features) const {
  if (same_owner(features.impl().model, weak_from_this())) return;
  throw ShapeError(std::string(who) + ": features must come from this model's encode()");
}

void Model::Impl::check_heads(const char* who, const std::vector<LayerHead>& heads) const {
  for (const LayerHead& entry : heads) {
    if (exists(dims, entry)) continue;
    throw ShapeError(std::string(who) + ": a head must be " + expected_heads(dims) + ", got " +
                     describe(entry));
  }
}

ops::Look Model::Impl::look(const std::vector<LayerHead>& heads, bool softmax,
                            std::size_t n_looks) const {
  return {heads, softmax,
          backend->array({static_cast<std::int64_t>(heads.size()),
                          static_cast<std::int64_t>(n_looks), dims.n_audio_ctx})};
}

void Model::Impl::record(const Metrics& call) const {
  const ForkLock lock(metrics_mutex);
  metrics.merge(call);
}

Metrics Model::metrics() const {
  const ForkLock lock(impl_->metrics_mutex);
  return impl_->metrics;
}

}  // namespace sottovoce
