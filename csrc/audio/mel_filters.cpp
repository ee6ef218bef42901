// Slaney's mel scale and its triangular filters, as librosa.filters.mel computes them.
#include <sottovoce/audio.h>
#include <sottovoce/dims.h>
#include <sottovoce/error.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "plain_arithmetic.h"

namespace sottovoce {

namespace {

constexpr int kNBins = kNFft / 2 + 1;  // 201
constexpr double kHzPerBin = static_cast<double>(kSampleRate) / kNFft;

// The scale is linear up to 1000 Hz, 3 mel for 200 Hz, then 27 mel for each factor of 6.4.
constexpr double kHzPerMel = 200.0 / 3.0;
constexpr double kKneeHz = 1000.0;
constexpr double kKneeMel = kKneeHz / kHzPerMel;

double log_step() { return std::log(6.4) / 27.0; }

double hz_to_mel(double hz) {
  return hz < kKneeHz ? hz / kHzPerMel : kKneeMel + std::log(hz / kKneeHz) / log_step();
}

double mel_to_hz(double mel) {
  return mel < kKneeMel ? mel * kHzPerMel : kKneeHz * std::exp(log_step() * (mel - kKneeMel));
}

}  // namespace

Tensor mel_filters(int n_mels) {
  if (n_mels < 1 || n_mels > kNFft / 2) {
    throw ShapeError("mel_filters: n_mels must be 1.." + std::to_string(kNFft / 2) + ", got " +
                     std::to_string(n_mels));
  }
  // Edges of the triangles: n_mels + 2 points, evenly spaced in mel from 0 to 8000 Hz.
  const PlainArithmetic plain;
  const double mel_step = hz_to_mel(kSampleRate / 2.0) / (n_mels + 1);
  Tensor filters({n_mels, kNBins});
  for (int mel = 0; mel < n_mels; ++mel) {
    const double left = mel_to_hz(mel_step * mel);
    const double centre = mel_to_hz(mel_step * (mel + 1));
    // linspace ends on its end, so the last edge is 8000 Hz exactly.
    const double right =
        mel_to_hz(mel + 2 > n_mels ? hz_to_mel(kSampleRate / 2.0) : mel_step * (mel + 2));
    const double height = 2.0 / (right - left);  // Slaney's norm: area 1 over hertz
    for (int bin = 0; bin < kNBins; ++bin) {
      const double hz = kHzPerBin * bin;
      const double triangle =
          std::max(0.0, std::min((hz - left) / (centre - left), (right - hz) / (right - centre)));
      // librosa rounds the triangle to float32 before it scales it, and so do the filters that
      // openai-whisper ships.
      filters.data()[mel * kNBins + bin] =
          static_cast<float>(static_cast<double>(static_cast<float>(triangle)) * height);
    }
  }
  return filters;
}

}  // namespace sottovoce
