// The weights, and the passes over the frames.
#include "network.h"

#include <algorithm>
#include <cmath>

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

double cosine(double x) { return std::cos(x); }
double sine(double x) { return std::sin(x); }

// (n, 65): wave(2 pi bin i / 256) at i = 0..64 for every second bin from `first` on.
ops::PackedLinear fourier_basis(const ops::CpuContext& context, double (*wave)(double),
                                std::int64_t first, std::int64_t n) {
  Tensor basis({n, kFold});
  for (std::int64_t row = 0; row < n; ++row) {
    for (std::int64_t i = 0; i < kFold; ++i) {
      const auto phase = static_cast<double>((first + 2 * row) * i % kNFft);
      basis.data()[row * kFold + i] = static_cast<float>(wave(2.0 * kPi * phase / kNFft));
    }
  }
  return pack_linear(context, DType::kFloat32, {{basis.view()}});
}

// 0.5 - 0.5 cos(2 pi i / 256), i = 0..128; the other half is its mirror image.
std::array<float, kNFft / 2 + 1> half_of_hann() {
  std::array<float, kNFft / 2 + 1> half{};
  for (std::size_t i = 0; i < half.size(); ++i) {
    half[i] = static_cast<float>(0.5 - 0.5 * std::cos(2.0 * kPi * static_cast<double>(i) / kNFft));
  }
  return half;
}

// x_i and x_(n - i) together and apart, i = 0..n / 2: what is alike and what is opposite on both
// sides of the middle, which has no other side. x (n + 1) is 0 at either end of a window of `n`.
template <std::int64_t n>
void fold(const float* x, float* together, float* apart) {
  for (std::int64_t i = 0; i < n / 2; ++i) {
    together[i] = x[i] + x[n - i];
    apart[i] = x[i] - x[n - i];
  }
  together[n / 2] = x[n / 2];
  apart[n / 2] = 0.0f;
}

// |spectrum| (129) of its waves (257): real parts of the even bins and the odd, imaginary parts of
// the odd and the even but the last, where they are 0.
void magnitudes(const float* waves, float* out) {
  constexpr std::int64_t n = kNFft / 4;
  const float* even = waves;
  const float* odd = even + n + 1;
  const float* odd_imaginary = odd + n;
  const float* even_imaginary = odd_imaginary + n;
  for (std::int64_t i = 0; i < n; ++i) {
    out[2 * i] = std::sqrt(even[i] * even[i] + even_imaginary[i] * even_imaginary[i]);
    out[2 * i + 1] = std::sqrt(odd[i] * odd[i] + odd_imaginary[i] * odd_imaginary[i]);
  }
  out[2 * n] = std::abs(even[n]);
}

// What one product reads and writes: m rows of x and of out, so many elements apart.
struct Product {
  const float* x;
  std::int64_t x_stride;
  std::int64_t m;
  float* out;
  std::int64_t out_stride;
};

ops::LinearArgs arguments(const Product& product) {
  ops::LinearArgs args;
  args.x.data = product.x;
  args.x.stride = product.x_stride * static_cast<std::int64_t>(sizeof(float));
  args.m = product.m;
  args.out = {ops::Destination::rows(product.out, DType::kFloat32, product.out_stride)};
  return args;
}

float relu(float x) { return std::max(x, 0.0f); }

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

}  // namespace

Workspace::Workspace()
    : folded({kFramesAtOnce * kSpectra, 4 * kFold}),
      waves({kFramesAtOnce * kSpectra, kWaves}),
      magnitudes({kFramesAtOnce, kSpectra * kBins}),
      out{Tensor({kFramesAtOnce, kSpectra * 128}), Tensor({kFramesAtOnce, 2 * 64}),
          Tensor({kFramesAtOnce, 64}), Tensor({kFramesAtOnce, 128})},
      gates({kFramesAtOnce, 4 * kState}),
      hidden({kFramesAtOnce, kState}) {}

Network::Network(const ops::Context& context, const std::string& path) {
  const ops::CpuContext cpu(context);
  constexpr std::int64_t n = kNFft / 4;
  bases_ = {{fourier_basis(cpu, cosine, 0, n + 1), fourier_basis(cpu, cosine, 1, n),
             fourier_basis(cpu, sine, 1, n), fourier_basis(cpu, sine, 0, n)}};
  hann_ = half_of_hann();
  const Reader reader(context, path);
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
  const float* heard = work.magnitudes.data();
  for (std::size_t layer = 0; layer < convolutions_.size(); ++layer) {
    convolution(context, convolutions_[layer], heard, n_frames, work.out[layer].data());
    heard = work.out[layer].data();
  }
  const Product to_gates{heard, kState, n_frames, work.gates.data(), 4 * kState};
  linear(context, inputs_, arguments(to_gates));
  recurrence(alone, n_frames, state, work);
  linear(context, output_, arguments({work.hidden.data(), kState, n_frames, probabilities, 1}));
  std::transform(probabilities, probabilities + n_frames, probabilities, sigmoid);
}

void Network::spectra(const ops::Context& context, const float* sound, std::int64_t n_frames,
                      Workspace& work) const {
  const std::int64_t n_rows = n_frames * kSpectra;
  parallel_for(*context.threads, n_frames, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t frame = begin; frame < end; ++frame) {
      float* out = work.folded.data() + frame * kSpectra * 4 * kFold;
      const float* windows = sound + frame * kHop;
      for (std::int64_t i = 0; i < kSpectra - 1; ++i) {
        fold_window(windows + i * kStride, out + i * 4 * kFold);
      }
      // The frame's last 192 samples, and 64 reflected at the very last, which is not repeated.
      constexpr std::int64_t kSamples = kNFft - kContext;
      float last[kNFft + 1] = {};
      std::copy_n(windows + (kSpectra - 1) * kStride, kSamples, last);
      for (std::int64_t i = 0; i < kContext; ++i) last[kSamples + i] = last[kSamples - 2 - i];
      fold_window(last, out + (kSpectra - 1) * 4 * kFold);
    }
  });
  float* waves = work.waves.data();
  for (std::size_t part = 0; part < bases_.size(); ++part) {
    const float* x = work.folded.data() + static_cast<std::int64_t>(part) * kFold;
    linear(context, bases_[part], arguments({x, 4 * kFold, n_rows, waves, kWaves}));
    waves += bases_[part].n;
  }
  parallel_for(*context.threads, n_rows, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      magnitudes(work.waves.data() + row * kWaves, work.magnitudes.data() + row * kBins);
    }
  });
}

void Network::fold_window(const float* window, float* out) const {
  constexpr std::int64_t n = kNFft / 2;
  float halves[2][n + 1];
  fold<kNFft>(window, halves[0], halves[1]);
  for (auto& half : halves) {
    for (std::int64_t i = 0; i <= n; ++i) half[i] *= hann_[static_cast<std::size_t>(i)];
    fold<n>(half, out, out + kFold);
    out += 2 * kFold;
  }
}

void Network::convolution(const ops::Context& context, const Convolution& layer, const float* x,
                          std::int64_t n_frames, float* out) const {
  const std::int64_t n_positions = layer.out_positions();
  for (std::int64_t position = 0; position < n_positions; ++position) {
    const std::int64_t first = position * layer.stride - 1;  // of the input, at the first tap
    const std::int64_t begin = std::max<std::int64_t>(first, 0);
    const std::int64_t end = std::min(first + kTaps, layer.positions);
    ops::LinearArgs args =
        arguments({x + begin * layer.n_in, layer.positions * layer.n_in, n_frames,
                   out + position * layer.n_out, n_positions * layer.n_out});
    args.first_word = (begin - first) * layer.n_in;
    args.n_words = (end - begin) * layer.n_in;
    linear(context, layer.weight, args);
  }
  parallel_for(*context.threads, n_frames, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t n = n_positions * layer.n_out;
    std::transform(out + begin * n, out + end * n, out + begin * n, relu);
  });
}

void Network::recurrence(const ops::Context& alone, std::int64_t n_frames, Recurrent& state,
                         Workspace& work) const {
  ops::LinearArgs args = arguments({state.hidden.data(), kState, 1, nullptr, 4 * kState});
  for (std::int64_t frame = 0; frame < n_frames; ++frame) {
    float* gates = work.gates.data() + frame * 4 * kState;
    args.out.front().data = gates;
    args.residual = gates;
    linear(alone, recurrence_, args);
    alone.kernels->lstm_cell_f32(gates, kState, state.cell.data(), state.hidden.data());
    std::transform(state.hidden.begin(), state.hidden.end(), work.hidden.data() + frame * kState,
                   relu);
  }
}

}  // namespace sottovoce::vad
