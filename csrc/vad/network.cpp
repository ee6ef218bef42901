// The weights, and the passes over the frames.
#include "network.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <sottovoce/error.h>

#include "kernels.h"
#include "parallel.h"
#include "safetensors.h"

namespace sottovoce::vad {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr std::int64_t kTaps = 3;  // of every convolution, one zero on either side of its input

// Packs the tensors of a file.
class Reader {
 public:
  Reader(const ops::Context& context, const std::string& path) : context_(context), file_(path) {}

  // `weight` (n, k) and `bias` (n).
  ops::PackedLinear linear(const std::string& weight, const std::string& bias, std::int64_t n,
                           std::int64_t k) const {
    const TensorView bias_view = tensor(bias, {n});
    return pack_linear(context_, DType::kFloat32, {{tensor(weight, {n, k}), &bias_view}});
  }

  // `name`.weight (n_out, n_in, 3) and `name`.bias (n_out).
  ops::PackedLinear convolution(const std::string& name, std::int64_t n_out,
                                std::int64_t n_in) const {
    return pack_conv1d(context_, DType::kFloat32, tensor(name + ".weight", {n_out, n_in, kTaps}),
                       tensor(name + ".bias", {n_out}));
  }

 private:
  TensorView tensor(const std::string& name, const Shape& shape) const {
    const TensorView view = file_.view(name);
    if (view.shape != shape) {
      throw LoadError("VoiceActivity: '" + file_.path() + "': tensor '" + name + "' must be " +
                      to_string(shape) + ", got " + view.describe());
    }
    return view;
  }

  const ops::CpuContext context_;
  const SafetensorsFile file_;
};

// (n_bins, 128): wave(2 pi bin i / 256) hann(i) at i = 1..128 for the bins from `first` on. A Hann
// window and a cosine are the same on both sides of the middle, a sine but for its sign.
ops::PackedLinear fourier_basis(const ops::Context& context, std::int64_t first,
                                std::int64_t n_bins, double (*wave)(double)) {
  Tensor basis({n_bins, kFold});
  for (std::int64_t row = 0; row < n_bins; ++row) {
    for (std::int64_t i = 1; i <= kFold; ++i) {
      const double turn = 2.0 * kPi / static_cast<double>(kNFft);
      const double hann = 0.5 - 0.5 * std::cos(turn * static_cast<double>(i));
      const auto phase = static_cast<double>((first + row) * i % kNFft);
      basis.data()[row * kFold + i - 1] = static_cast<float>(hann * wave(turn * phase));
    }
  }
  return pack_linear(ops::CpuContext(context), DType::kFloat32, {{basis.view()}});
}

double cosine(double x) { return std::cos(x); }
double sine(double x) { return std::sin(x); }

// A window of 256 samples as what cosines see of it, (128), and sines: sample i and its mirror image
// 256 - i, together and apart. The window is 0 at sample 0, and the middle is its own image.
void fold(const float* window, float* even, float* odd) {
  for (std::int64_t i = 1; i < kFold; ++i) {
    even[i - 1] = window[i] + window[kNFft - i];
    odd[i - 1] = window[i] - window[kNFft - i];
  }
  even[kFold - 1] = window[kFold];
  odd[kFold - 1] = 0.0f;
}

// out (m, n) = rows (m, k) W^T + bias, + residual (m, n) if there is one.
void multiply(const ops::Context& context, const ops::PackedLinear& weight, const float* rows,
              std::int64_t m, float* out, const float* residual = nullptr) {
  ops::LinearArgs args;
  args.x.data = rows;
  args.x.stride = weight.k * static_cast<std::int64_t>(sizeof(float));
  args.m = m;
  args.out = {ops::Destination::rows(out, DType::kFloat32, weight.n)};
  args.residual = residual;
  args.residual_stride = weight.n;
  linear(context, weight, args);
}

float relu(float x) { return std::max(x, 0.0f); }

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

}  // namespace

Workspace::Workspace()
    : even({kFramesAtOnce * kSpectra, kFold}),
      odd({kFramesAtOnce * kSpectra, kFold}),
      cosines({kFramesAtOnce * kSpectra, kBins}),
      sines({kFramesAtOnce * kSpectra, kBins - 2}),
      magnitudes({kFramesAtOnce * kSpectra, kBins}),
      taps({kFramesAtOnce * kSpectra, kTaps * kBins}),
      out{Tensor({kFramesAtOnce * kSpectra, 128}), Tensor({kFramesAtOnce * 2, 64}),
          Tensor({kFramesAtOnce, 64}), Tensor({kFramesAtOnce, 128})},
      gates({kFramesAtOnce, 4 * kState}),
      hidden({kFramesAtOnce, kState}) {}

Network::Network(const ops::Context& context, const std::string& path) {
  const Reader reader(context, path);
  cosines_ = fourier_basis(context, 0, kBins, cosine);
  sines_ = fourier_basis(context, 1, kBins - 2, sine);
  convolutions_ = {{{reader.convolution("encoder.0", 128, kBins), kBins, 128, kSpectra, 1},
                    {reader.convolution("encoder.1", 64, 128), 128, 64, kSpectra, 2},
                    {reader.convolution("encoder.2", 64, 64), 64, 64, 2, 2},
                    {reader.convolution("encoder.3", 128, 64), 64, 128, 1, 1}}};
  inputs_ = reader.linear("decoder.rnn.weight_ih", "decoder.rnn.bias_ih", 4 * kState, kState);
  recurrence_ = reader.linear("decoder.rnn.weight_hh", "decoder.rnn.bias_hh", 4 * kState, kState);
  output_ = reader.linear("decoder.output.weight", "decoder.output.bias", 1, kState);
}

void Network::run(const ops::Context& context, const ops::Context& alone, const float* sound,
                  std::int64_t n_frames, Recurrent& state, Workspace& work,
                  float* probabilities) const {
  spectra(context, sound, n_frames, work);
  convolutions(context, n_frames, work);
  multiply(context, inputs_, work.out.back().data(), n_frames, work.gates.data());
  recurrence(alone, n_frames, state, work);
  multiply(context, output_, work.hidden.data(), n_frames, probabilities);
  std::transform(probabilities, probabilities + n_frames, probabilities, sigmoid);
}

void Network::spectra(const ops::Context& context, const float* sound, std::int64_t n_frames,
                      Workspace& work) const {
  const std::int64_t n_rows = n_frames * kSpectra;
  parallel_for(*context.threads, n_frames, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t frame = begin; frame < end; ++frame) {
      float* even = work.even.data() + frame * kSpectra * kFold;
      float* odd = work.odd.data() + frame * kSpectra * kFold;
      const float* windows = sound + frame * kHop;
      for (std::int64_t i = 0; i < kSpectra - 1; ++i) {
        fold(windows + i * kStride, even + i * kFold, odd + i * kFold);
      }
      // The frame's last 192 samples, and 64 reflected at the very last, which is not repeated.
      constexpr std::int64_t kSamples = kNFft - kContext;
      float last[kNFft];
      std::copy_n(windows + (kSpectra - 1) * kStride, kSamples, last);
      for (std::int64_t i = 0; i < kContext; ++i) last[kSamples + i] = last[kSamples - 2 - i];
      fold(last, even + (kSpectra - 1) * kFold, odd + (kSpectra - 1) * kFold);
    }
  });
  multiply(context, cosines_, work.even.data(), n_rows, work.cosines.data());
  multiply(context, sines_, work.odd.data(), n_rows, work.sines.data());
  parallel_for(*context.threads, n_rows, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* cosines = work.cosines.data() + row * kBins;
      const float* sines = work.sines.data() + row * (kBins - 2);
      float* out = work.magnitudes.data() + row * kBins;
      out[0] = std::abs(cosines[0]);
      out[kBins - 1] = std::abs(cosines[kBins - 1]);
      for (std::int64_t bin = 1; bin < kBins - 1; ++bin) {
        out[bin] = std::sqrt(cosines[bin] * cosines[bin] + sines[bin - 1] * sines[bin - 1]);
      }
    }
  });
}

void Network::convolutions(const ops::Context& context, std::int64_t n_frames,
                           Workspace& work) const {
  const float* in = work.magnitudes.data();
  for (std::size_t layer = 0; layer < convolutions_.size(); ++layer) {
    const Convolution& conv = convolutions_[layer];
    const std::int64_t n_out = conv.out_positions();
    parallel_for(*context.threads, n_frames, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t frame = begin; frame < end; ++frame) {
        float* out = work.taps.data() + frame * n_out * kTaps * conv.n_in;
        for (std::int64_t tap = 0; tap < n_out * kTaps; ++tap, out += conv.n_in) {
          const std::int64_t position = tap / kTaps * conv.stride + tap % kTaps - 1;
          if (position < 0 || position >= conv.positions) {
            std::fill_n(out, conv.n_in, 0.0f);
          } else {
            std::copy_n(in + (frame * conv.positions + position) * conv.n_in, conv.n_in, out);
          }
        }
      }
    });
    float* out = work.out[layer].data();
    multiply(context, conv.weight, work.taps.data(), n_frames * n_out, out);
    parallel_for(*context.threads, n_frames, [&](std::int64_t begin, std::int64_t end, int) {
      const std::int64_t n = n_out * conv.n_out;
      std::transform(out + begin * n, out + end * n, out + begin * n, relu);
    });
    in = out;
  }
}

void Network::recurrence(const ops::Context& alone, std::int64_t n_frames, Recurrent& state,
                         Workspace& work) const {
  for (std::int64_t frame = 0; frame < n_frames; ++frame) {
    float* gates = work.gates.data() + frame * 4 * kState;
    multiply(alone, recurrence_, state.hidden.data(), 1, gates, gates);
    alone.kernels->lstm_cell_f32(gates, kState, state.cell.data(), state.hidden.data());
    std::transform(state.hidden.begin(), state.hidden.end(), work.hidden.data() + frame * kState,
                   relu);
  }
}

}  // namespace sottovoce::vad
