// Frame f covers samples 160 f - 200 .. 160 f + 199: it is centred on sample 160 f.
#include "framing.h"

#include <algorithm>
#include <cmath>

namespace sottovoce {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr std::int64_t kHalfFrame = kNFft / 2;

}  // namespace

Framing::Framing(const float* samples, std::int64_t n_samples, std::int64_t n_padded)
    : samples_(samples), n_samples_(n_samples), n_padded_(n_padded) {
  for (int n = 0; n < kNFft; ++n) {
    window_[static_cast<std::size_t>(n)] = 0.5 - 0.5 * std::cos(2.0 * kPi * n / kNFft);
  }
}

std::int64_t Framing::n_audible_frames() const {
  if (n_samples_ == 0) return 0;
  // The lowest sample of frame f is max(0, 160 f - 200). Reflection at the right end reaches no
  // lower than that: the last frame overhangs by 39 samples at most.
  return std::min(n_frames(), (n_samples_ + kHalfFrame + kHopLength - 1) / kHopLength);
}

double Framing::sample(std::int64_t index) const {
  if (index < 0) index = -index;
  if (index >= n_padded_) index = 2 * (n_padded_ - 1) - index;
  return index < n_samples_ ? static_cast<double>(samples_[index]) : 0.0;
}

void Framing::gather(std::int64_t first_frame, double* out) const {
  const std::int64_t n_audible = n_audible_frames();
  for (int lane = 0; lane < kGroup; ++lane) {
    const std::int64_t frame = first_frame + lane;
    const std::int64_t begin = frame * kHopLength - kHalfFrame;
    if (frame >= n_audible) {
      for (int n = 0; n < kNFft; ++n) out[n * kGroup + lane] = 0.0;
    } else if (begin >= 0 && begin + kNFft <= n_samples_) {
      const float* source = samples_ + begin;
      for (int n = 0; n < kNFft; ++n) out[n * kGroup + lane] = source[n] * window_[n];
    } else {
      for (int n = 0; n < kNFft; ++n) out[n * kGroup + lane] = sample(begin + n) * window_[n];
    }
  }
}

}  // namespace sottovoce
