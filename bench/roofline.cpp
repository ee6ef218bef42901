// How near the encoder's kernels come to what the cores can do: roofline [n_threads]
//
// Times ops::linear on the shapes of real models and ops::attention on those of base, in turn with
// independent multiply-adds in registers, which are the peak of the type: a JSON object a line.
// Clocks and neighbours change from second to second; what stands side by side is compared. Build
// with -DSOTTOVOCE_BENCH=ON.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernels.h"
#include "parallel.h"
#include "peaks.h"
#include "thread_pool.h"
#include "verbs.h"

namespace {

using sottovoce::DType;
using sottovoce::Tensor;
using sottovoce::ThreadPool;
namespace ops = sottovoce::ops;

constexpr std::int64_t kPositions = 1500;  // of a window
constexpr int kTries = 15;

// A type of the weights; `peak` gives 1e9 operations a second, 0 without an instruction for it.
struct Type {
  const char* name;
  DType dtype;
  double (*peak)(int n_threads, int n_tries);
};

struct Shape {
  const char* name;
  std::int64_t n, k;
  bool gelu;  // with that activation as well
};

Tensor numbers(std::int64_t n_rows, std::int64_t n) {
  Tensor tensor({n_rows, n});
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    tensor.data()[i] = static_cast<float>(i * 7919 % 1021 - 510) / 510.0f;
  }
  return tensor;
}

// Runs `body`, which takes n_ops operations, in turn with the peak of its type; the best of both.
template <class Body>
void measure(const ops::CpuContext& context, const Type& type, double n_ops, Body body) {
  double seconds = 1e9, peak = 0.0;
  for (int i = 0; i < kTries; ++i) {
    peak = std::max(peak, type.peak(context.threads->n_threads(), 1));
    seconds = std::min(seconds, peaks::best_of(1, body));
  }
  const double gops = n_ops / seconds / 1e9;
  std::printf("\"type\": \"%s\", \"ms\": %.3f, \"gops\": %.1f, \"peak\": %.1f, \"share\": %.3f}\n",
              type.name, 1e3 * seconds, gops, peak, peak > 0.0 ? gops / peak : 0.0);
  std::fflush(stdout);
}

// Plain output is float32, as what is added to the residual; that of GELU is what the next layer
// reads, 2 bytes unless all is float32.
void measure_linear(const ops::CpuContext& context, const Type& type, const Shape& shape,
                    ops::Activation activation) {
  const bool gelu = activation == ops::Activation::kGelu;
  const Tensor weight = numbers(shape.n, shape.k);
  const Tensor bias = Tensor::zeros({shape.n});
  const sottovoce::TensorView bias_view = bias.view();
  const ops::PackedLinear packed =
      ops::pack_linear(context, type.dtype, {{weight.view(), &bias_view}});
  ops::Activations x(context, kPositions, shape.k, type.dtype);
  ops::convert(context, numbers(kPositions, shape.k).data(), shape.k, x);
  const DType out_type = gelu && type.dtype != DType::kFloat32 ? DType::kBFloat16 : DType::kFloat32;
  Tensor out({kPositions, shape.n}, out_type);
  ops::LinearArgs args;
  args.x = x.view();
  args.m = kPositions;
  args.out = {ops::Destination::rows(out.raw(), out_type, shape.n)};
  args.activation = activation;
  std::printf("{\"gemm\": \"%s\", \"epilogue\": \"%s\", \"m\": %ld, \"n\": %ld, \"k\": %ld, ",
              shape.name, gelu ? "gelu" : "none", long(kPositions), long(shape.n), long(shape.k));
  measure(context, type, 2.0 * kPositions * static_cast<double>(shape.n * shape.k),
          [&] { ops::linear(context, packed, args); });
}

// A window's attention to itself; its softmax counts as time, not as operations.
void measure_attention(const ops::CpuContext& context, const Type& type) {
  constexpr std::int64_t kHeads = 8, kHead = 64, kState = kHeads * kHead;
  const Tensor x = numbers(kPositions, kState);
  // Keys and values come from a linear layer, which knows their order.
  const Tensor weight = numbers(2 * kState, kState);
  ops::PackedKeysValues keys_values(context, type.dtype, kPositions, kHeads, kHead);
  ops::Activations inputs(context, kPositions, kState, type.dtype);
  ops::convert(context, x.data(), kState, inputs);
  const float scale = 1.0f / std::sqrt(static_cast<float>(kState));
  sottovoce::TensorView half = weight.view();
  half.shape[0] = kState;
  ops::LinearArgs args;
  args.x = inputs.view();
  args.m = kPositions;
  args.out = {keys_values.keys(), keys_values.values()};
  ops::linear(context,
              ops::pack_linear(context, type.dtype, {{half, nullptr, scale}, {half, nullptr}}),
              args);
  ops::Activations out(context, kPositions, kState, type.dtype);
  ops::AttentionArgs attention;
  attention.groups = {{&keys_values, 0, kPositions}};
  attention.q = &inputs;
  attention.out = &out;
  attention.n_head = kHeads;
  attention.d_head = kHead;
  std::printf("{\"attention\": \"base\", \"n_ctx\": %ld, \"n_head\": %ld, \"d_head\": %ld, ",
              long(kPositions), long(kHeads), long(kHead));
  measure(context, type, 4.0 * kPositions * kPositions * kState,
          [&] { ops::attention(context, attention); });
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(sottovoce::resolve_n_threads(argc > 1 ? std::atoi(argv[1]) : 0));
  const ops::CpuContext context(ops::make_context("", pool));
  std::printf("{\"kernels\": \"%s\", \"n_threads\": %d}\n", ops::isa_name(context),
              pool.n_threads());
  const Type types[] = {{"float32", DType::kFloat32, peaks::compute<peaks::Float32>},
                        {"bfloat16", DType::kBFloat16, peaks::compute<peaks::BFloat16>},
                        {"int8", DType::kInt8, peaks::compute<peaks::Int8>}};
  const Shape shapes[] = {{"base qkv", 1536, 512, false},       {"base out", 512, 512, false},
                          {"base mlp up", 2048, 512, true},     {"base mlp down", 512, 2048, false},
                          {"large qkv", 3840, 1280, false},     {"large mlp up", 5120, 1280, true},
                          {"large mlp down", 1280, 5120, false}};
  for (const Type& type : types) {
    for (const Shape& shape : shapes) {
      measure_linear(context, type, shape, ops::Activation::kNone);
      if (shape.gelu) measure_linear(context, type, shape, ops::Activation::kGelu);
    }
    if (type.dtype != DType::kInt8) measure_attention(context, type);
  }
  return 0;
}
