// The network with its threads, and sound that comes block by block.
#include <algorithm>
#include <cmath>
#include <utility>

#include <sottovoce/error.h>
#include <sottovoce/vad.h>

#include "network.h"
#include "parallel.h"
#include "plain_arithmetic.h"
#include "thread_pool.h"

namespace sottovoce {

struct VoiceActivity::Impl {
  Impl(const std::string& path, int n_threads, const std::string& isa)
      : threads(resolve_n_threads(n_threads)),
        context(ops::make_context(isa, threads)),
        network(context, path) {}

  ops::Context alone() const { return {context.kernels, &caller}; }

  mutable ThreadPool threads;
  mutable ThreadPool caller{1};  // a step of the recurrence is too short to share
  ops::Context context;
  vad::Network network;
};

VoiceActivity::VoiceActivity(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

VoiceActivity VoiceActivity::open(const std::string& path, int n_threads, const std::string& isa) {
  return VoiceActivity(std::make_shared<const Impl>(path, n_threads, isa));
}

int VoiceActivity::n_threads() const { return impl_->threads.n_threads(); }

const char* VoiceActivity::isa() const { return ops::isa_name(impl_->context); }

Tensor VoiceActivity::probabilities(const float* samples, std::size_t n_samples) const {
  VoiceActivityStream stream(*this);
  const Tensor whole = stream.feed(samples, n_samples);
  const Tensor last = stream.finish();
  Tensor all({whole.size() + last.size()});
  std::copy_n(last.data(), last.size(), std::copy_n(whole.data(), whole.size(), all.data()));
  return all;
}

struct VoiceActivityStream::Impl {
  explicit Impl(std::shared_ptr<const VoiceActivity::Impl> of)
      : voice(std::move(of)), sound(Tensor::zeros({kCapacity})) {}

  static constexpr std::int64_t kCapacity = vad::kContext + vad::kFramesAtOnce * vad::kHop;

  std::int64_t n_whole_frames() const { return (n_held - vad::kContext) / vad::kHop; }

  // The probabilities of the frames that are whole, (n_whole_frames,), which then are gone but for
  // their last samples.
  void hear(float* out) {
    const std::int64_t n_frames = n_whole_frames();
    try {
      voice->network.run(voice->context, voice->alone(), sound.data(), n_frames, state, work, out);
    } catch (...) {
      begin();
      throw;
    }
    const std::int64_t n_heard = n_frames * vad::kHop;
    std::copy(sound.data() + n_heard, sound.data() + n_held, sound.data());
    n_held -= n_heard;
  }

  // Another recording, before which there is silence.
  void begin() {
    std::fill_n(sound.data(), vad::kContext, 0.0f);
    n_held = vad::kContext;
    state = {};
  }

  std::shared_ptr<const VoiceActivity::Impl> voice;
  vad::Workspace work;
  Tensor sound;                         // the end of the last frame, then what was not heard yet
  std::int64_t n_held = vad::kContext;  // samples of it
  vad::Recurrent state;
};

VoiceActivityStream::VoiceActivityStream(const VoiceActivity& voice)
    : impl_(std::make_unique<Impl>(voice.impl_)) {}
VoiceActivityStream::~VoiceActivityStream() = default;
VoiceActivityStream::VoiceActivityStream(VoiceActivityStream&&) noexcept = default;
VoiceActivityStream& VoiceActivityStream::operator=(VoiceActivityStream&&) noexcept = default;

Tensor VoiceActivityStream::feed(const float* samples, std::size_t n_samples) {
  const PlainArithmetic plain;
  const auto n = static_cast<std::int64_t>(n_samples);
  if (!ops::all_finite(impl_->voice->context, {samples, DType::kFloat32, {n}})) {
    const float* bad =
        std::find_if_not(samples, samples + n, [](float x) { return std::isfinite(x); });
    throw ShapeError("voice_activity: samples must be finite, got " + std::to_string(*bad) +
                     " at sample " + std::to_string(bad - samples));
  }
  Tensor probabilities({(impl_->n_held - vad::kContext + n) / vad::kHop});
  float* out = probabilities.data();
  for (std::int64_t taken = 0; taken < n;) {
    const std::int64_t n_next = std::min(n - taken, Impl::kCapacity - impl_->n_held);
    std::copy_n(samples + taken, n_next, impl_->sound.data() + impl_->n_held);
    impl_->n_held += n_next;
    taken += n_next;
    const std::int64_t n_frames = impl_->n_whole_frames();
    if (n_frames > 0) impl_->hear(out);
    out += n_frames;
  }
  return probabilities;
}

Tensor VoiceActivityStream::finish() {
  const PlainArithmetic plain;
  const std::int64_t n_begun = impl_->n_held - vad::kContext;
  Tensor probabilities({n_begun > 0 ? 1 : 0});
  if (n_begun > 0) {
    std::fill_n(impl_->sound.data() + impl_->n_held, vad::kHop - n_begun, 0.0f);
    impl_->n_held = vad::kContext + vad::kHop;
    impl_->hear(probabilities.data());
  }
  impl_->begin();
  return probabilities;
}

}  // namespace sottovoce
