// Silero VAD for 16 kHz: frames of sound -> probabilities of speech. Everything before the
// recurrence is computed for many frames at once, as matrix products.
//
//   576 samples -> 4 spectra (129) -> conv 128, 64, 64, 128 channels, ReLU -> (128)
//               -> LSTM (128) -> ReLU -> linear -> sigmoid
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <sottovoce/vad.h>

#include "verbs.h"

namespace sottovoce::vad {

inline constexpr std::int64_t kHop = kVadHopLength;
inline constexpr std::int64_t kContext = 64;  // samples that a frame sees of the one before it
inline constexpr std::int64_t kNFft = 256;
inline constexpr std::int64_t kStride = 128;  // samples from spectrum to spectrum
inline constexpr std::int64_t kSpectra = 4;   // of a frame, whose end is reflected for the last one
inline constexpr std::int64_t kBins = kNFft / 2 + 1;
inline constexpr std::int64_t kFold = kNFft / 4 + 1;   // of a window that was folded twice
inline constexpr std::int64_t kWaves = 2 * kBins - 1;  // real and imaginary parts of a spectrum
inline constexpr std::int64_t kState = 128;

// 4 s, some 2 MB of activations: what a core's second cache holds.
inline constexpr std::int64_t kFramesAtOnce = 128;

// What the recurrence hands from frame to frame; zeros at the start of a recording.
struct Recurrent {
  std::array<float, kState> hidden{};
  std::array<float, kState> cell{};
};

// Room for the activations of up to kFramesAtOnce frames, in the order in which they come to be.
struct Workspace {
  Workspace();

  Tensor folded;      // (n * 4, 4 * 65): windows, for cosines and sines of even and odd bins
  Tensor waves;       // (n * 4, 257): what those say
  Tensor magnitudes;  // (n, 4 * 129)
  std::array<Tensor, 4> out;  // of the convolutions, (n, positions * channels)
  Tensor gates;               // (n, 4 * 128): what the frames say to the gates i, f, g, o
  Tensor hidden;              // (n, 128)
};

class Network {
 public:
  // Throws LoadError, naming the tensor, for a file that does not hold this network.
  Network(const ops::Context& context, const std::string& path);

  // probabilities (n_frames,) of sound (64 + n_frames * 512,), n_frames <= kFramesAtOnce: the end
  // of the frame before, then the frames. `alone` computes on the calling thread.
  void run(const ops::Context& context, const ops::Context& alone, const float* sound,
           std::int64_t n_frames, Recurrent& state, Workspace& work, float* probabilities) const;

 private:
  struct Convolution {
    ops::PackedLinear weight;
    std::int64_t n_in;       // channels
    std::int64_t n_out;      // channels
    std::int64_t positions;  // of a frame, in the input
    std::int64_t stride;

    std::int64_t out_positions() const { return (positions - 1) / stride + 1; }
  };

  void spectra(const ops::Context& context, const float* sound, std::int64_t n_frames,
               Workspace& work) const;
  // One window (257), the last of which counts for nothing, into out (4, 65).
  void fold_window(const float* window, float* out) const;
  // out (n_frames, positions * channels) = ReLU(layer(x)).
  void convolution(const ops::Context& context, const Convolution& layer, const float* x,
                   std::int64_t n_frames, float* out) const;
  void recurrence(const ops::Context& alone, std::int64_t n_frames, Recurrent& state,
                  Workspace& work) const;

  // (65 or 64, 65): cosines of the even bins and of the odd, sines of the odd and of the even.
  std::array<ops::PackedLinear, 4> bases_;
  std::array<float, kNFft / 2 + 1> hann_;
  std::array<Convolution, 4> convolutions_;
  ops::PackedLinear inputs_;      // (512, 128), gates i, f, g, o
  ops::PackedLinear recurrence_;  // (512, 128), likewise
  ops::PackedLinear output_;      // (1, 128)
};

}  // namespace sottovoce::vad
