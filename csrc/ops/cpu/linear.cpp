// Linear layers and layer norm, spread over threads.
#include <algorithm>

#include "kernels.h"
#include "ops.h"
#include "parallel.h"

namespace sottovoce::ops {

namespace {

// Rows of one task: enough tiles to pay for reading the panel, few enough to balance threads.
constexpr std::int64_t kTaskRows = 60;
constexpr float kLayerNormEps = 1e-5f;

kernels::Activation to_kernel(Activation activation) {
  return activation == Activation::kGelu ? kernels::Activation::kGelu : kernels::Activation::kNone;
}

}  // namespace

void linear(const Context& context, const PackedLinear& weight, const LinearArgs& args) {
  const std::int64_t n_panels = weight.panels.shape()[0];
  const std::int64_t n_blocks = (args.m + kTaskRows - 1) / kTaskRows;
  // Panel-major: a thread keeps a panel in its cache while it walks down the rows.
  parallel_for(
      *context.threads, n_panels * n_blocks, [&](std::int64_t begin, std::int64_t end, int) {
        while (begin < end) {
          const std::int64_t panel = begin / n_blocks;
          const std::int64_t first_block = begin % n_blocks;
          const std::int64_t last_block = std::min(n_blocks, first_block + (end - begin));
          const std::int64_t first_row = first_block * kTaskRows;
          const std::int64_t first_column = panel * weight.nr;
          kernels::GemmF32 gemm{};
          gemm.a = args.x + first_row * args.x_stride;
          gemm.lda = args.x_stride;
          gemm.b = weight.panels.data() + panel * weight.k * weight.nr;
          gemm.ldb = weight.nr;
          gemm.c = args.out + first_row * args.out_stride + first_column;
          gemm.ldc = args.out_stride;
          gemm.bias = weight.bias.empty() ? nullptr : weight.bias.data() + first_column;
          if (args.residual) {
            gemm.residual = args.residual + first_row * args.residual_stride + first_column;
            gemm.ld_residual = args.residual_stride;
          }
          gemm.m = std::min(args.m, last_block * kTaskRows) - first_row;
          gemm.n = std::min(weight.nr, weight.n - first_column);
          gemm.k = weight.k;
          gemm.activation = to_kernel(args.activation);
          context.kernels->gemm_f32(gemm);
          begin += last_block - first_block;
        }
      });
}

void layer_norm(const Context& context, const float* x, std::int64_t n_rows, std::int64_t n,
                const Tensor& weight, const Tensor& bias, float* out) {
  const bool worthwhile = n_rows * n >= (1 << 15);
  parallel_for_if(worthwhile, *context.threads, n_rows,
                  [&](std::int64_t begin, std::int64_t end, int) {
                    for (std::int64_t row = begin; row < end; ++row) {
                      context.kernels->layer_norm_f32(x + row * n, weight.data(), bias.data(),
                                                      kLayerNormEps, n, out + row * n);
                    }
                  });
}

void softmax_rows(const Context& context, float* x, std::int64_t n_rows, std::int64_t n) {
  for (std::int64_t row = 0; row < n_rows; ++row) {
    const float scale = context.kernels->softmax_f32(x + row * n, n);
    context.kernels->scale_f32(x + row * n, scale, n);
  }
}

MaxSum max_sum(const Context& context, const float* x, std::int64_t n) {
  const kernels::MaxSum result = context.kernels->max_sum_f32(x, n);
  return {result.max, result.sum};
}

std::int64_t argmax(const Context& context, const float* x, std::int64_t n) {
  return context.kernels->argmax_f32(x, n);
}

}  // namespace sottovoce::ops
