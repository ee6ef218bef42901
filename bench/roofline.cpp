// How near the encoder's GEMMs come to what the cores can do: roofline [n_threads]
//
// Measures the float32 peak of one core with independent multiply-adds in registers, on as many
// threads as asked, and then ops::linear on the shapes of real models. Build with
// -DSOTTOVOCE_BENCH=ON; run it on a quiet machine.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels.h"
#include "ops.h"
#include "parallel.h"

namespace {

using sottovoce::Tensor;
using sottovoce::ThreadPool;
namespace ops = sottovoce::ops;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Body>
double best_of(int n, Body body) {
  double best = 1e9;
  for (int i = 0; i < n; ++i) {
    const double start = seconds();
    body();
    best = std::min(best, seconds() - start);
  }
  return best;
}

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));

inline void multiply_add(Vector& sum, const Vector& a, const Vector& b) {
#if defined(__FMA__)
  asm volatile("vfmadd231ps %1, %2, %0" : "+v"(sum) : "v"(a), "v"(b));
#else
  sum = sum + a * b;
  asm volatile("" : "+v"(sum));
#endif
}

// 12 independent chains of multiply-adds: enough to fill two units of four cycles' latency.
float multiply_adds(long n) {
  Vector c0{}, c1{}, c2{}, c3{}, c4{}, c5{}, c6{}, c7{}, c8{}, c9{}, c10{}, c11{};
  const Vector a = Vector{} + 0.999f;
  const Vector b = Vector{} + 0.001f;
  for (long step = 0; step < n; ++step) {
    multiply_add(c0, a, b);
    multiply_add(c1, a, b);
    multiply_add(c2, a, b);
    multiply_add(c3, a, b);
    multiply_add(c4, a, b);
    multiply_add(c5, a, b);
    multiply_add(c6, a, b);
    multiply_add(c7, a, b);
    multiply_add(c8, a, b);
    multiply_add(c9, a, b);
    multiply_add(c10, a, b);
    multiply_add(c11, a, b);
  }
  const Vector sum = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11;
  return sum[0];
}

double peak_gflops(ThreadPool& pool) {
  constexpr long kSteps = 1000000;
  std::atomic<float> sink{0.0f};
  const double time = best_of(20, [&] {
    parallel_for(pool, pool.n_threads(), [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) sink = multiply_adds(kSteps);
    });
  });
  return 2.0 * kLanes * 12 * kSteps * pool.n_threads() / time / 1e9;
}

struct Shape {
  const char* name;
  std::int64_t n, k;
};

void measure(const ops::Context& context, const Shape& shape, double peak) {
  constexpr std::int64_t kM = 1500;
  Tensor weight = Tensor::zeros({shape.n, shape.k});
  Tensor x = Tensor::zeros({kM, shape.k});
  for (std::int64_t i = 0; i < weight.size(); ++i) weight.data()[i] = float(i % 7) - 3.0f;
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = float(i % 5) - 2.0f;
  Tensor out({kM, shape.n});
  const ops::PackedLinear packed = ops::pack_linear(context, {{weight.view()}});
  const double time = best_of(
      15, [&] { ops::linear(context, packed, {x.data(), shape.k, kM, out.data(), shape.n}); });
  const double gflops = 2.0 * kM * static_cast<double>(shape.n * shape.k) / time / 1e9;
  std::printf("%-22s n=%5ld k=%5ld  %7.2f ms  %7.1f GFLOP/s  %5.1f %%\n", shape.name, long(shape.n),
              long(shape.k), 1e3 * time, gflops, 100.0 * gflops / peak);
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(sottovoce::resolve_n_threads(argc > 1 ? std::atoi(argv[1]) : 0));
  const ops::Context context = ops::make_context("", pool);
  const double peak = peak_gflops(pool);
  std::printf("kernels %s, threads %d, measured float32 peak %.1f GFLOP/s\n",
              ops::isa_name(context), pool.n_threads(), peak);
  for (const Shape& shape : std::vector<Shape>{{"base qkv", 1536, 512},
                                               {"base out", 512, 512},
                                               {"base mlp up", 2048, 512},
                                               {"base mlp down", 512, 2048},
                                               {"large qkv", 3840, 1280},
                                               {"large mlp up", 5120, 1280},
                                               {"large mlp down", 1280, 5120}}) {
    measure(context, shape, peak);
  }
  return 0;
}
