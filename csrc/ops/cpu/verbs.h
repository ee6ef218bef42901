// The verbs on a CPU: what cpu_backend.cpp puts the back end's verbs together from. Each spreads
// its work over the context's threads and hands raw memory to the context's kernels. Activations
// are row-major, one row a position; every output row has the same bits whatever other rows stand
// beside it and however many threads there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <sottovoce/tensor.h>

#include "backend.h"
#include "host_memory.h"

namespace sottovoce::ops {

// --- weights ---

// A weight matrix as the GEMM wants to read it: panels of nr output columns, each (k_words, nr)
// words of 32 bits, which hold one float32, two bfloat16 or four int8 that are neighbours along k;
// zero-filled past n and k. Blocks of a fused layer begin at a panel.
struct PackedLinear final : Linear {
  struct Block {
    std::int64_t first_panel = 0;
    std::int64_t n = 0;  // output columns
  };
  Tensor panels;  // (n_panels, k_words * nr * elements in a word)
  Tensor bias;    // (n_panels * nr), or empty
  Tensor scales;  // (n_panels * nr), int8: weight = scale * byte
  Tensor sums;    // (n_panels * nr) int32 in the bits, int8: offset of the activations * sum over k
  std::vector<Block> blocks;
  std::int64_t n = 0;  // output columns of all blocks
  std::int64_t k = 0;
  std::int64_t k_words = 0;
  std::int64_t nr = 0;

  DType dtype() const { return panels.dtype(); }
  std::int64_t n_panels() const { return panels.shape()[0]; }
  std::size_t block_of(std::int64_t panel) const;
  // Row `row` of the unpacked weight of the first block, (k), gathered into `out`; float32 only.
  void unpack_row(std::int64_t row, float* out) const;
  std::size_t n_bytes() const override;
};

// Packs blocks that share k side by side, in `dtype` (float32, bfloat16, or int8 with a scale for
// each output column).
PackedLinear pack_linear(const CpuContext& context, DType dtype,
                         const std::vector<LinearBlock>& blocks);

// Packs a convolution weight (n_out, n_in, taps) so that one output position is one row of a GEMM
// over the contiguous window (taps, n_in) of a time-major input.
PackedLinear pack_conv1d(const CpuContext& context, DType dtype, const TensorView& weight,
                         const TensorView& bias);

// Whether a weight has the counts and shapes that these two give blocks of `ns` output columns.
bool is_packed_as(const Context& context, const PackedLinear& weight, DType dtype,
                  const std::vector<std::int64_t>& ns, std::int64_t k, bool with_bias);

// A copy in the same dtype.
Tensor copy_of(const CpuContext& context, const TensorView& source);

// --- activations ---

// Rows that a GEMM reads, in its weight's dtype.
struct RowsView {
  const void* data = nullptr;
  std::int64_t stride = 0;        // bytes from row to row
  const float* scales = nullptr;  // (rows), int8

  RowsView from(std::int64_t row) const {
    return {static_cast<const char*>(data) + row * stride, stride, scales ? scales + row : nullptr};
  }
};

// Activations in the dtype of the layer that reads them. Those of int8 are written as float32 first
// and quantised row by row once a row is whole.
class Activations final : public Rows {
 public:
  Activations(const CpuContext& context, std::int64_t n_rows, std::int64_t n, DType dtype);

  DType dtype() const { return values_.dtype(); }
  std::int64_t capacity() const { return values_.shape()[0]; }  // rows of the constructor
  std::int64_t n_rows() const { return n_rows_; }               // those in use, or fewer
  void use_rows(std::int64_t n_rows) { n_rows_ = n_rows; }
  std::int64_t n() const { return n_; }
  RowsView view() const;
  // Row `row` as its reader sees it.
  void* row(std::int64_t row);
  const void* row(std::int64_t row) const;
  float& scale(std::int64_t row) { return scales_.data()[row]; }
  // Where a writer puts rows before they are finished: float32 unless dtype() is bfloat16.
  Tensor& written() { return staging_.empty() ? values_ : staging_; }

 private:
  std::int64_t n_rows_;
  std::int64_t n_;
  Tensor values_;   // (n_rows, n rounded up to whole words)
  Tensor scales_;   // (n_rows), int8
  Tensor staging_;  // (n_rows, n) float32, int8
};

// Quantises what was written, if the dtype is int8.
void finish(const Context& context, Activations& rows);
// rows = x (rows.n_rows(), rows.n()), row stride `stride` elements.
void convert(const Context& context, const float* x, std::int64_t stride, Activations& rows);
// rows[i] = layer_norm(x[i]) * weight + bias, x (rows.n_rows(), rows.n()), eps 1e-5.
void layer_norm(const Context& context, const float* x, const float* weight, const float* bias,
                Activations& rows);
// The same into plain float32, (n_rows, n).
void layer_norm(const Context& context, const float* x, const float* weight, const float* bias,
                std::int64_t n_rows, std::int64_t n, float* out);
// Log-mel (n_mels, n_frames) of a window, time-major in the first rows of `out` (n_total, n_mels),
// float32 or bfloat16; the others become zeros.
void transpose_frames(const Context& context, const TensorView& mel, std::int64_t n_total,
                      DType dtype, void* out);

// --- linear ---

// Where one block of a linear layer goes, as float32 or bfloat16: row by row, or into the panels of
// PackedKeysValues.
struct Destination {
  enum class Layout { kRows, kKeyPanels, kValuePanels };
  void* data = nullptr;
  DType dtype = DType::kFloat32;
  std::int64_t stride = 0;  // elements from row to row, kRows only
  Layout layout = Layout::kRows;
  std::int64_t n_ctx = 0;   // of the panels
  std::int64_t d_head = 0;  // of the panels

  static Destination rows(void* data, DType dtype, std::int64_t stride) {
    return {data, dtype, stride};
  }
};

// out[m, n] = activation(x[m, k] W^T + bias) + residual. `out` may be `residual`.
struct LinearArgs {
  RowsView x;
  std::int64_t m = 0;
  std::vector<Destination> out;  // one a block
  std::int64_t first_panel = 0;  // columns before it are left alone
  // Words along k: x has as many from the first on, and those of the weight around them count for
  // nothing. All if there are 0; not int8.
  std::int64_t first_word = 0;
  std::int64_t n_words = 0;
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  // (m, n of the first block), or null
  std::int64_t residual_stride = 0;
};
void linear(const Context& context, const PackedLinear& weight, const LinearArgs& args);
// The same into activations for the next layer.
void linear(const Context& context, const PackedLinear& weight, const Activations& x,
            Activation activation, Activations& out);
// x += inputs W^T + bias, x (inputs.n_rows(), weight.n)
void add_linear(const Context& context, const PackedLinear& weight, const Activations& inputs,
                float* x);

// --- attention ---

// Keys and values of one layer over one window, in panels that attention's GEMMs read. Keys:
// (n_head, ceil(n_ctx / nr)) panels of (ceil(d_head / e), nr) words; values: (n_head,
// ceil(d_head / nr)) panels of (ceil(n_ctx / e), nr) words; e elements in a word. int8 keeps what
// bfloat16 queries read (e = 2) in half the memory, in panels of rows of nr bytes, with a scale for
// every position of a head.
class PackedKeysValues final : public KeysValues {
 public:
  PackedKeysValues(const CpuContext& context, DType dtype, std::int64_t n_ctx, std::int64_t n_head,
                   std::int64_t d_head);

  DType dtype() const { return keys_.dtype(); }
  std::int64_t n_ctx() const { return n_ctx_; }
  std::int64_t n_head() const { return keys_.shape()[0]; }
  std::int64_t d_head() const { return d_head_; }
  // For the blocks of a linear layer that computes keys and values, (n_ctx, n_head * d_head) each;
  // not int8.
  Destination keys();
  Destination values();
  // The panels of one head.
  const void* keys_of(std::int64_t head) const;
  const void* values_of(std::int64_t head) const;
  // Of the positions of one head, int8; else null.
  const float* key_scales_of(std::int64_t head) const;
  const float* value_scales_of(std::int64_t head) const;
  // Keys and values of one head at positions [first, first + n_rows).
  struct HeadRows {
    std::int64_t head = 0;
    std::int64_t first = 0;
    std::int64_t n_rows = 0;
    const float* keys = nullptr;    // (n_rows, d_head), row stride `stride`
    const float* values = nullptr;  // (n_rows, d_head), row stride `stride`
    std::int64_t stride = 0;        // elements from row to row
  };
  // Quantises them, int8 only; `codes` (d_head) as scratch.
  void quantize(const Context& context, const HeadRows& rows, std::uint8_t* codes);
  std::int64_t key_words() const;    // of one key panel, along d_head
  std::int64_t value_words() const;  // of one value panel, along n_ctx
  std::size_t n_bytes() const override;

 private:
  Destination panels(Destination::Layout layout, Tensor& of);

  std::int64_t n_ctx_;
  std::int64_t d_head_;
  std::int64_t nr_;
  Tensor keys_;          // (n_head, key panels, elements of a panel)
  Tensor values_;        // (n_head, value panels, elements of a panel)
  Tensor key_scales_;    // (n_head, n_ctx in whole panels), int8
  Tensor value_scales_;  // (n_head, n_ctx), int8
};

// Keys and values of all of a window: the two blocks of `weight` over n_ctx rows of `x`.
void project_keys_values(const Context& context, const PackedLinear& weight, const RowsView& x,
                         PackedKeysValues& out);

// Full attention of groups of query rows over packed keys and values. Queries have the dtype of the
// keys (bfloat16 for int8) and carry the scale d_head^-0.5 already (it is packed into their
// weight).
struct AttentionGroup {
  const PackedKeysValues* keys_values = nullptr;
  std::int64_t first_row = 0;  // of q and out
  std::int64_t n_rows = 0;
};
// Scores before the softmax that are kept beside the result.
struct KeptScores {
  struct Head {
    std::int64_t head = 0;
    float* scores = nullptr;  // (n_kept, n_ctx)
  };
  std::vector<Head> heads;  // none: nothing is kept
  std::vector<int> places;  // by row of q: its row of `scores`; -1: it is not kept
  std::int64_t n_ctx = 0;
};
struct AttentionArgs {
  std::vector<AttentionGroup> groups;
  const Activations* q = nullptr;  // (n_rows, n_head * d_head)
  Activations* out = nullptr;      // (n_rows, n_head * d_head)
  std::int64_t n_head = 0;
  std::int64_t d_head = 0;
  KeptScores kept;
};
// Returns the bytes of scratch it used.
std::size_t attention(const Context& context, const AttentionArgs& args);

// Causal self-attention of decoder rows over their cached pasts: position p of a row has its
// (n_head * d_head) vectors at keys[p] + offset and values[p] + offset.
struct CachedRow {
  const float* q = nullptr;              // (n_head * d_head), scaled
  const float* const* keys = nullptr;    // (n_past)
  const float* const* values = nullptr;  // (n_past)
  std::int64_t n_past = 0;               // positions to attend to, its own included
};
// Row i of `out` is that of rows[i]. Returns the bytes of scratch it used.
std::size_t cached_attention(const Context& context, const std::vector<CachedRow>& rows,
                             std::int64_t offset, std::int64_t n_head, std::int64_t d_head,
                             Activations& out);

// --- logits ---

// Row `row` of a table (n_rows, n) of any float dtype, as float32 (n).
void read_row(const Context& context, const TensorView& table, std::int64_t row, float* out);
// logits (n_rows, n_vocab) = x embedding^T, x (n_rows, n) float32. Of row i those from first[i] on
// count: the others may be -inf.
void project_logits(const Context& context, const PackedLinear& embedding, const Activations& x,
                    const std::vector<int>& first, float* logits);
// logits[row][i] = x[row] . table[i] for the 32 largest logits of each row from index first[row]
// on: exact in place of approximate. table (n_vocab, n) of any float dtype.
void rescore_best(const Context& context, const TensorView& table, const Activations& x,
                  const std::vector<int>& first, float* logits);

// Backend::choose over logits (n, n_vocab).
void choose(const Context& context, float* logits, std::int64_t n_vocab,
            const std::vector<ChoiceQuery>& queries, std::vector<Choice>& choices);

// Indices of the k largest of x (n), k <= n: largest first, lowest index first among equals.
void top_k(const float* x, std::int64_t n, int k, std::vector<int>& out);

}  // namespace sottovoce::ops
