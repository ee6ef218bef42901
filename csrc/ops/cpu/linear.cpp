// Linear layers, spread over threads.
#include <algorithm>

#include "kernels.h"
#include "parallel.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

// Rows of one task: enough tiles to pay for reading the panel, few enough to balance threads.
constexpr std::int64_t kTaskRows = 60;

void run_gemm(const kernels::Table& kernels, DType dtype, const kernels::Gemm& gemm) {
  switch (dtype) {
    case DType::kBFloat16:
      return kernels.gemm_bf16(gemm);
    case DType::kInt8:
      return kernels.gemm_i8(gemm);
    default:
      return kernels.gemm_f32(gemm);
  }
}

kernels::Layout layout_of(const Destination& out) {
  switch (out.layout) {
    case Destination::Layout::kKeyPanels:
      return kernels::Layout::kKeyPanels;
    case Destination::Layout::kValuePanels:
      return kernels::Layout::kValuePanels;
    default:
      return kernels::Layout::kRows;
  }
}

// Where the columns from `column` on of a block go.
void set_destination(const Destination& out, std::int64_t column, kernels::Gemm& gemm) {
  gemm.c = out.data;
  gemm.c_is_bf16 = out.dtype == DType::kBFloat16;
  gemm.layout = layout_of(out);
  if (out.layout == Destination::Layout::kRows) {
    gemm.c = static_cast<char*>(out.data) + column * static_cast<std::int64_t>(size_of(out.dtype));
    gemm.ldc = out.stride;
  } else {
    gemm.panels.n_ctx = out.n_ctx;
    gemm.panels.d_head = out.d_head;
    gemm.panels.first_column = column;
  }
}

// What one panel's GEMM needs besides its rows.
kernels::Gemm gemm_of_panel(const PackedLinear& weight, std::int64_t panel,
                            const LinearArgs& args) {
  const std::size_t block = weight.block_of(panel);
  const std::int64_t column = (panel - weight.blocks[block].first_panel) * weight.nr;
  const std::int64_t padded = panel * weight.nr;  // column of the bias and scales
  kernels::Gemm gemm{};
  gemm.lda = args.x.stride;
  gemm.b = static_cast<const float*>(weight.panels.raw()) + padded * weight.k_words +
           args.first_word * weight.nr;
  gemm.k_words = args.n_words > 0 ? args.n_words : weight.k_words;
  gemm.n = std::min(weight.nr, weight.blocks[block].n - column);
  if (!weight.scales.empty()) {
    gemm.b_scales = weight.scales.data() + padded;
    gemm.b_sums = reinterpret_cast<const std::int32_t*>(weight.sums.raw()) + padded;
  }
  gemm.bias = weight.bias.empty() ? nullptr : weight.bias.data() + padded;
  gemm.activation = args.activation == Activation::kGelu ? kernels::Activation::kGelu
                                                         : kernels::Activation::kNone;
  gemm.residual = args.residual ? args.residual + column : nullptr;
  gemm.ld_residual = args.residual_stride;
  set_destination(args.out[block], column, gemm);
  return gemm;
}

// The GEMM of rows [first, first + m) of what `gemm` says of all.
void set_rows(const RowsView& x, std::int64_t first, std::int64_t m, kernels::Gemm& gemm) {
  gemm.a = static_cast<const char*>(x.data) + first * x.stride;
  gemm.a_scales = x.scales ? x.scales + first : nullptr;
  gemm.m = m;
  if (gemm.residual) gemm.residual += first * gemm.ld_residual;
  if (gemm.layout == kernels::Layout::kRows) {
    const std::int64_t size = gemm.c_is_bf16 ? 2 : 4;
    gemm.c = static_cast<char*>(gemm.c) + first * gemm.ldc * size;
  } else {
    gemm.panels.first_position = first;
  }
}

}  // namespace

void linear(const Context& context, const PackedLinear& weight, const LinearArgs& args) {
  const std::int64_t n_blocks = (args.m + kTaskRows - 1) / kTaskRows;
  // Panel-major: a thread keeps a panel in its cache while it walks down the rows.
  parallel_for(*context.threads, (weight.n_panels() - args.first_panel) * n_blocks,
               [&](std::int64_t begin, std::int64_t end, int) {
                 while (begin < end) {
                   const std::int64_t first_block = begin % n_blocks;
                   const std::int64_t last_block = std::min(n_blocks, first_block + end - begin);
                   const std::int64_t first = first_block * kTaskRows;
                   kernels::Gemm gemm =
                       gemm_of_panel(weight, args.first_panel + begin / n_blocks, args);
                   set_rows(args.x, first, std::min(args.m, last_block * kTaskRows) - first, gemm);
                   run_gemm(*context.kernels, weight.dtype(), gemm);
                   begin += last_block - first_block;
                 }
               });
}

void linear(const Context& context, const PackedLinear& weight, const Activations& x,
            Activation activation, Activations& out) {
  Tensor& written = out.written();
  LinearArgs args;
  args.x = x.view();
  args.m = out.n_rows();
  args.out = {Destination::rows(written.raw(), written.dtype(), written.shape()[1])};
  args.activation = activation;
  linear(context, weight, args);
  finish(context, out);
}

void add_linear(const Context& context, const PackedLinear& weight, const Activations& inputs,
                float* x) {
  LinearArgs args;
  args.x = inputs.view();
  args.m = inputs.n_rows();
  args.out = {Destination::rows(x, DType::kFloat32, weight.n)};
  args.residual = x;
  args.residual_stride = weight.n;
  linear(context, weight, args);
}

}  // namespace sottovoce::ops
