// The verbs the network is written in. Each checks nothing that its caller has checked, spreads its
// work over the context's pool and hands raw memory to the context's kernels. Activations are
// row-major float32, one row a position; every output row has the same bits whatever other rows
// stand beside it and however many threads there are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sottovoce/tensor.h>

#include "thread_pool.h"

namespace sottovoce::kernels {
struct Table;
}

namespace sottovoce::ops {

// Where and how to compute: belongs to a model instance, never to the process.
struct Context {
  const kernels::Table* kernels = nullptr;
  ThreadPool* threads = nullptr;
};

// The context of a new model. Throws ShapeError if the instruction set is not to be had.
Context make_context(const std::string& isa, ThreadPool& threads);
const char* isa_name(const Context& context);

enum class Activation { kNone, kGelu };

// A weight matrix as the GEMM wants to read it: panels of nr output columns, (n_panels, k, nr),
// zero-filled past n; the bias likewise.
struct PackedLinear {
  Tensor panels;  // (n_panels, k, nr)
  Tensor bias;    // (n_panels * nr), or empty
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t nr = 0;

  // Row `row` of the unpacked weight, (k), gathered into `out`.
  void unpack_row(std::int64_t row, float* out) const;
  std::size_t n_bytes() const { return panels.n_bytes() + bias.n_bytes(); }
};

// One block of a fused linear layer: `weight` (n, k) of any float dtype, scaled by `scale`; `bias`
// (n) or none, which packs as zeros.
struct LinearBlock {
  TensorView weight;
  const TensorView* bias = nullptr;
  float scale = 1.0f;
};

// Packs blocks that share k side by side: out = [x W0^T + b0 | x W1^T + b1 | ...].
PackedLinear pack_linear(const Context& context, const std::vector<LinearBlock>& blocks);

// Packs a convolution weight (n_out, n_in, taps) so that one output position is one row of a GEMM
// over the contiguous window (taps, n_in) of a time-major input.
PackedLinear pack_conv1d(const Context& context, const TensorView& weight, const TensorView& bias);

// False if an element is infinite or not a number.
bool all_finite(const Context& context, const TensorView& source);
// A copy in float32, from any float dtype.
Tensor to_float32(const Context& context, const TensorView& source);

// out[m, n] = activation(x[m, k] W^T + bias) + residual. `out` may be `residual`.
struct LinearArgs {
  const float* x = nullptr;  // (m, k), row stride x_stride
  std::int64_t x_stride = 0;
  std::int64_t m = 0;
  float* out = nullptr;  // (m, n), row stride out_stride
  std::int64_t out_stride = 0;
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  // (m, n), row stride residual_stride, or null
  std::int64_t residual_stride = 0;
};
void linear(const Context& context, const PackedLinear& weight, const LinearArgs& args);

// out[row] = layer_norm(x[row]) * weight + bias, rows of n, eps 1e-5.
void layer_norm(const Context& context, const float* x, std::int64_t n_rows, std::int64_t n,
                const Tensor& weight, const Tensor& bias, float* out);

// Keys and values of one layer over one window, as attention reads them. Keys are panels:
// (n_head, ceil(n_ctx / nr), d_head, nr), zero past n_ctx; values are panels
// (n_head, ceil(d_head / nr), n_ctx, nr), zero past d_head.
struct PackedKeysValues {
  Tensor keys;
  Tensor values;
  std::int64_t n_ctx = 0;
  std::size_t n_bytes() const { return keys.n_bytes() + values.n_bytes(); }
};

// From rows of [.. k .. | .. v ..]: `keys` and `values` point at the first row's first column.
PackedKeysValues pack_keys_values(const Context& context, const float* keys, const float* values,
                                  std::int64_t stride, std::int64_t n_ctx, std::int64_t n_head,
                                  std::int64_t d_head);

// Full attention of groups of query rows over packed keys and values, one PackedKeysValues a group.
// Queries carry the scale d_head^-0.5 already (it is packed into their weight).
struct AttentionGroup {
  const PackedKeysValues* keys_values = nullptr;
  const float* q = nullptr;  // (n_rows, n_head * d_head), row stride q_stride
  float* out = nullptr;      // (n_rows, n_head * d_head), row stride out_stride
  std::int64_t n_rows = 0;
};
struct AttentionArgs {
  std::vector<AttentionGroup> groups;
  std::int64_t q_stride = 0;
  std::int64_t out_stride = 0;
  std::int64_t n_head = 0;
  std::int64_t d_head = 0;
};
// Returns the bytes of scratch it used.
std::size_t attention(const Context& context, const AttentionArgs& args);

// Scores before the softmax of one head: out (n_rows, n_ctx) = q . keys.
void attention_scores(const Context& context, const PackedKeysValues& keys_values, const float* q,
                      std::int64_t q_stride, std::int64_t n_rows, std::int64_t head,
                      std::int64_t d_head, float* out);
// In place, each row of n: exp(x - max) / sum.
void softmax_rows(const Context& context, float* x, std::int64_t n_rows, std::int64_t n);

// Causal self-attention of decoder rows over their cached pasts: position p of a row has its
// (n_head * d_head) vectors at keys[p] + offset and values[p] + offset.
struct CachedRow {
  const float* q = nullptr;              // (n_head * d_head), scaled
  float* out = nullptr;                  // (n_head * d_head)
  const float* const* keys = nullptr;    // (n_past)
  const float* const* values = nullptr;  // (n_past)
  std::int64_t n_past = 0;               // positions to attend to, its own included
};
// Returns the bytes of scratch it used.
std::size_t cached_attention(const Context& context, const std::vector<CachedRow>& rows,
                             std::int64_t offset, std::int64_t n_head, std::int64_t d_head);

// What log-softmax needs of one row of logits: log_sum_exp = max + log(sum).
struct MaxSum {
  float max = 0.0f;
  float sum = 0.0f;
};
MaxSum max_sum(const Context& context, const float* x, std::int64_t n);
// The lowest index of the largest element.
std::int64_t argmax(const Context& context, const float* x, std::int64_t n);

}  // namespace sottovoce::ops
