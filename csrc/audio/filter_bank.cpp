// Sparse mel filters over groups of 8 frames.
#include "filter_bank.h"

#include <cstddef>

#include <sottovoce/audio.h>

#include "framing.h"

namespace sottovoce {

FilterBank::FilterBank(int n_mels) : bands_(static_cast<std::size_t>(n_mels)) {
  const Tensor filters = mel_filters(n_mels);  // (n_mels, n_bins)
  const auto n_bins = static_cast<int>(filters.shape()[1]);
  const float* row = filters.data();
  for (Band& band : bands_) {
    int end = n_bins;
    while (end > 0 && row[end - 1] == 0.0f) --end;
    while (band.first_bin < end && row[band.first_bin] == 0.0f) ++band.first_bin;
    band.weights.assign(row + band.first_bin, row + end);
    row += n_bins;
  }
}

void FilterBank::apply(int mel, const double* power, double* out) const {
  const Band& band = bands_[static_cast<std::size_t>(mel)];
  double sums[kGroup] = {};
  const double* bin_power = power + static_cast<std::ptrdiff_t>(band.first_bin) * kGroup;
  for (const double weight : band.weights) {
    for (int lane = 0; lane < kGroup; ++lane) sums[lane] += weight * bin_power[lane];
    bin_power += kGroup;
  }
  for (int lane = 0; lane < kGroup; ++lane) out[lane] = sums[lane];
}

}  // namespace sottovoce
