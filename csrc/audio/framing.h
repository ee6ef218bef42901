// Overlapping windowed frames of a padded signal, without building that signal.
#pragma once

#include <array>
#include <cstdint>

#include <sottovoce/dims.h>

namespace sottovoce {

// Frames that stand side by side from the window to the logarithm: the lanes of the kernel.
inline constexpr int kGroup = 8;

class Framing {
 public:
  // `samples` (n_samples,) is followed by zeros up to n_padded > kNFft / 2 samples, and that is
  // reflected at both ends without repeating the edge sample.
  Framing(const float* samples, std::int64_t n_samples, std::int64_t n_padded);

  std::int64_t n_frames() const { return n_padded_ / kHopLength; }
  // The frames from this one on lie in the zeros: all that depends on a sample comes before.
  std::int64_t n_audible_frames() const;

  // out (400, 8): windowed frames first_frame .. first_frame + 7; zeros for those past the audible.
  void gather(std::int64_t first_frame, double* out) const;

 private:
  double sample(std::int64_t index) const;  // of the padded, reflected signal

  const float* samples_;
  std::int64_t n_samples_;
  std::int64_t n_padded_;
  std::array<double, kNFft> window_;  // periodic Hann
};

}  // namespace sottovoce
