// How near the encoder's GEMMs come to what the cores can do: roofline [n_threads]
//
// Measures the peak with independent multiply-adds in registers, on as many threads as asked, and
// ops::linear on the shapes of real models: a JSON object a line. Build with -DSOTTOVOCE_BENCH=ON;
// run it on a quiet machine.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernels.h"
#include "ops.h"
#include "parallel.h"
#include "peaks.h"

namespace {

using sottovoce::Tensor;
using sottovoce::ThreadPool;
namespace ops = sottovoce::ops;

struct Shape {
  const char* name;
  std::int64_t n, k;
};

// `peak` in 1e9 operations a second, of the type that the weights are packed in.
void measure(const ops::Context& context, const Shape& shape, const char* type, double peak) {
  constexpr std::int64_t kM = 1500;
  Tensor weight = Tensor::zeros({shape.n, shape.k});
  Tensor x = Tensor::zeros({kM, shape.k});
  for (std::int64_t i = 0; i < weight.size(); ++i) weight.data()[i] = float(i % 7) - 3.0f;
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = float(i % 5) - 2.0f;
  Tensor out({kM, shape.n});
  const ops::PackedLinear packed = ops::pack_linear(context, {{weight.view()}});
  const double time = peaks::best_of(
      15, [&] { ops::linear(context, packed, {x.data(), shape.k, kM, out.data(), shape.n}); });
  const double gflops = 2.0 * kM * static_cast<double>(shape.n * shape.k) / time / 1e9;
  std::printf(
      "{\"gemm\": \"%s\", \"type\": \"%s\", \"m\": %ld, \"n\": %ld, \"k\": %ld, \"ms\": %.3f, "
      "\"gops\": %.1f, \"peak\": %.1f, \"share\": %.3f}\n",
      shape.name, type, long(kM), long(shape.n), long(shape.k), 1e3 * time, gflops, peak,
      peak > 0.0 ? gflops / peak : 0.0);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(sottovoce::resolve_n_threads(argc > 1 ? std::atoi(argv[1]) : 0));
  const ops::Context context = ops::make_context("", pool);
  const double peak = peaks::compute<peaks::Float32>(pool.n_threads(), 20);
  std::printf("{\"kernels\": \"%s\", \"n_threads\": %d}\n", ops::isa_name(context),
              pool.n_threads());
  for (const Shape& shape : std::vector<Shape>{{"base qkv", 1536, 512},
                                               {"base out", 512, 512},
                                               {"base mlp up", 2048, 512},
                                               {"base mlp down", 512, 2048},
                                               {"large qkv", 3840, 1280},
                                               {"large mlp up", 5120, 1280},
                                               {"large mlp down", 1280, 5120}}) {
    measure(context, shape, "float32", peak);
  }
  return 0;
}
