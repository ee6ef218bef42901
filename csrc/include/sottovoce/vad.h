// Voice activity: how likely somebody speaks, every 32 ms of a recording. The network is Silero
// VAD's for 16 kHz; where a region of speech begins and ends is for the caller to say.
//
//   const VoiceActivity voice = VoiceActivity::open("silero_vad.safetensors");
//   const Tensor probabilities = voice.probabilities(samples, n_samples);
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <sottovoce/tensor.h>

namespace sottovoce {

inline constexpr int kVadHopLength = 512;  // samples of a frame: 32 ms

// The network, packed. Immutable: any number of threads may use it at once.
class VoiceActivity {
 public:
  // Reads the weights, a safetensors file: share/sottovoce/silero_vad.safetensors where the library
  // is installed, and in the folder `data` of the Python package.
  // `n_threads` and `isa` as RuntimeOptions has them; every number of threads gives the same bits.
  // Throws LoadError naming the file and the tensor, ShapeError for what this machine has not.
  static VoiceActivity open(const std::string& path, int n_threads = 0,
                            const std::string& isa = {});

  int n_threads() const;
  const char* isa() const;

  // How likely there is speech in each frame, (n_frames,) float32: n_frames = n_samples / 512,
  // rounded up; zeros follow the last sample. `samples` (n_samples,) float32, 16 kHz mono in
  // [-1, 1]. Works in the memory of a few seconds of sound, however long the recording. Throws
  // ShapeError for a sample that is not finite.
  Tensor probabilities(const float* samples, std::size_t n_samples) const;

 private:
  friend class VoiceActivityStream;
  struct Impl;
  explicit VoiceActivity(std::shared_ptr<const Impl> impl);

  std::shared_ptr<const Impl> impl_;
};

// Sound that comes block by block; the probabilities are those of the whole, to the last bit,
// however it is cut. For one thread at a time. A call that an Interruptible ends is the end of the
// recording too: what is fed next is another one.
class VoiceActivityStream {
 public:
  explicit VoiceActivityStream(const VoiceActivity& voice);
  ~VoiceActivityStream();
  VoiceActivityStream(VoiceActivityStream&&) noexcept;
  VoiceActivityStream& operator=(VoiceActivityStream&&) noexcept;

  // The next samples, (n_samples,) float32. Returns the probabilities of the frames that they
  // complete, (n_frames,), perhaps none. Throws ShapeError, and has heard nothing of the block, for
  // a sample that is not finite.
  Tensor feed(const float* samples, std::size_t n_samples);
  // The end of the sound: the probability of the frame that was begun, if one was, (0,) or (1,).
  // What is fed next is another recording.
  Tensor finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sottovoce
