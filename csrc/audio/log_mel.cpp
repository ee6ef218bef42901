// samples -> log-mel, the whole stage: window, power spectrum, mel bands, logarithm, floor.
//
// Everything is float64 up to one rounding of the finished value. Beyond the result a thread holds
// one group of 8 frames: the floor, which needs the maximum over the whole input, commutes with
// that rounding and is applied in place. The front end has no model, hence no chosen instruction
// set: it takes the table a new model would take, and every table gives the same bits.
#include <sottovoce/audio.h>
#include <sottovoce/dims.h>
#include <sottovoce/error.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "filter_bank.h"
#include "framing.h"
#include "host.h"
#include "kernels.h"
#include "parallel.h"
#include "plain_arithmetic.h"
#include "thread_pool.h"

namespace sottovoce {

namespace {

constexpr double kLeastEnergy = 1e-10;
constexpr double kRange = 8.0;  // decades below the maximum that are kept
constexpr double kLog10OfE = 0.43429448190325182765;

// 40 s of audio, 4 ms of work on two cores, within which nobody can interrupt it.
constexpr std::int64_t kGroupsAtOnce = 500;

constexpr std::size_t kMinSamples = kNFft / 2 + 1;         // fewer have nothing to reflect
constexpr std::size_t kMaxSamples = std::size_t{1} << 40;  // two years: all sizes fit in 64 bits

// log10 by way of log, which takes half the time of std::log10 and is off by 2e-15 at most.
double log_energy(double energy) { return std::log(std::max(energy, kLeastEnergy)) * kLog10OfE; }

float normalised(double log_value) { return static_cast<float>((log_value + 4.0) / 4.0); }

void check_sizes(std::size_t n_samples, int n_mels, std::size_t padding) {
  if (n_mels < 1 || n_mels > kNFft / 2) {
    throw ShapeError("log_mel: n_mels must be 1.." + std::to_string(kNFft / 2) + ", got " +
                     std::to_string(n_mels));
  }
  if (n_samples > kMaxSamples || padding > kMaxSamples || n_samples + padding < kMinSamples) {
    throw ShapeError("log_mel: samples and padding must be " + std::to_string(kMinSamples) +
                     "..2**40 samples together, got " + std::to_string(n_samples) + " + " +
                     std::to_string(padding));
  }
}

void check_finite(const ops::Context& context, const float* samples, std::size_t n_samples) {
  const auto n = static_cast<std::int64_t>(n_samples);
  if (ops::all_finite(context, {samples, DType::kFloat32, {n}})) return;
  const float* bad =
      std::find_if_not(samples, samples + n, [](float x) { return std::isfinite(x); });
  throw ShapeError("log_mel: samples must be finite, got " + std::to_string(*bad) + " at sample " +
                   std::to_string(bad - samples));
}

// Starting a thread costs as much as some 64 frames.
int worthwhile_threads(const Framing& framing, int n_threads) {
  constexpr std::int64_t kFramesPerThread = 128;
  const std::int64_t most = framing.n_audible_frames() / kFramesPerThread + 1;
  return static_cast<int>(std::min<std::int64_t>(resolve_n_threads(n_threads), most));
}

// One thread's buffers for a group of frames, side by side.
struct Group {
  alignas(64) double frames[kNFft * kGroup];           // (400, 8)
  alignas(64) double power[(kNFft / 2 + 1) * kGroup];  // (201, 8)
};

// Writes every band of the group's first `n_frames` frames, not floored: out (n_mels, n_frames),
// row stride `out_stride`. Returns the largest logarithm.
double finish_group(const Group& group, const FilterBank& filters, std::int64_t n_frames,
                    float* out, std::int64_t out_stride) {
  double largest = log_energy(0.0);
  for (int mel = 0; mel < filters.n_mels(); ++mel) {
    double energies[kGroup];
    filters.apply(mel, group.power, energies);
    for (std::int64_t lane = 0; lane < n_frames; ++lane) {
      const double value = log_energy(energies[lane]);
      largest = std::max(largest, value);
      out[mel * out_stride + lane] = normalised(value);
    }
  }
  return largest;
}

// Fills the audible frames of `out` (n_mels, n_frames), not floored; returns the largest logarithm.
double compute_audible(const ops::Context& context, const Framing& framing,
                       const FilterBank& filters, Tensor& out) {
  const std::int64_t n_audible = framing.n_audible_frames();
  std::vector<double> largest(static_cast<std::size_t>(context.threads->n_threads()),
                              log_energy(0.0));
  const auto compute_groups = [&](std::int64_t begin, std::int64_t end, int thread) {
    Group group;
    double& mine = largest[static_cast<std::size_t>(thread)];
    for (std::int64_t first = begin * kGroup; first < end * kGroup; first += kGroup) {
      const std::int64_t n = std::min<std::int64_t>(kGroup, n_audible - first);
      framing.gather(first, group.frames);
      context.kernels->power_spectrum_f64(group.frames, group.power);
      mine =
          std::max(mine, finish_group(group, filters, n, out.data() + first, framing.n_frames()));
    }
  };
  const std::int64_t n_groups = (n_audible + kGroup - 1) / kGroup;
  for (std::int64_t start = 0; start < n_groups; start += kGroupsAtOnce) {
    parallel_for(*context.threads, std::min(kGroupsAtOnce, n_groups - start),
                 [&](std::int64_t begin, std::int64_t end, int thread) {
                   compute_groups(start + begin, start + end, thread);
                 });
  }
  return *std::max_element(largest.begin(), largest.end());
}

// Raises the audible frames of `out` to the floor and fills the others with silence.
void apply_floor(const ops::Context& context, double largest, std::int64_t n_audible, Tensor& out) {
  const std::int64_t n_frames = out.shape()[1];
  const float floor = normalised(largest - kRange);
  const float silence = std::max(floor, normalised(log_energy(0.0)));
  parallel_for(*context.threads, out.shape()[0], [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t mel = begin; mel < end; ++mel) {
      float* row = out.data() + mel * n_frames;
      for (std::int64_t frame = 0; frame < n_audible; ++frame) {
        row[frame] = std::max(row[frame], floor);
      }
      std::fill(row + n_audible, row + n_frames, silence);
    }
  });
}

}  // namespace

Tensor log_mel(const float* samples, std::size_t n_samples, int n_mels, std::size_t padding,
               int n_threads, const std::string& isa) {
  check_sizes(n_samples, n_mels, padding);
  const PlainArithmetic plain;
  const Framing framing(samples, static_cast<std::int64_t>(n_samples),
                        static_cast<std::int64_t>(n_samples + padding));
  ThreadPool threads(worthwhile_threads(framing, n_threads));
  const ops::Context context = ops::make_context(isa, threads);
  check_finite(context, samples, n_samples);

  const FilterBank filters(n_mels);
  Tensor out({n_mels, framing.n_frames()});
  const double largest = compute_audible(context, framing, filters, out);
  apply_floor(context, largest, framing.n_audible_frames(), out);
  return out;
}

std::vector<std::uint8_t> frame_mask(std::size_t n_samples, int n_frames) {
  if (n_frames < 0) {
    throw ShapeError("frame_mask: n_frames must be 0 or more, got " + std::to_string(n_frames));
  }
  const auto capacity = static_cast<std::size_t>(n_frames);
  std::vector<std::uint8_t> mask(capacity, 0);
  std::fill_n(mask.begin(), std::min(n_samples / kHopLength, capacity), std::uint8_t{1});
  return mask;
}

}  // namespace sottovoce
