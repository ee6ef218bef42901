// The table of kernels: what one core does to raw memory, once for every instruction set.
//
// A kernel is single-threaded, takes raw pointers, checks nothing and allocates nothing. Each
// instruction set has one translation unit (isa_*.cpp) that includes the same bodies (*.inl) over
// its own vector type; nothing there has external linkage but its table. This header is C-like on
// purpose: no standard library, so that no inline function of it is compiled with foreign flags.
//
// Numerics: every output element is reduced in an order that depends on its own row alone, never
// on how many rows or threads there are.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sottovoce::kernels {

enum class Activation : int { kNone, kGelu };

// How a GEMM stores C. Keys and values go into panels that attention reads as its own B: a row of C
// is a position, a column one of the d_head dimensions of one of the heads, which stand side by
// side. A word has e elements, one float32 or two bfloat16, that are neighbours along attention's
// k: two dimensions of a key, two positions of a value.
enum class Layout : int {
  kRows,         // row by row
  kKeyPanels,    // (n_head, ceil(n_ctx / gemm_nr)) panels of (ceil(d_head / e), gemm_nr) words
  kValuePanels,  // (n_head, ceil(d_head / gemm_nr)) panels of (ceil(n_ctx / e), gemm_nr) words
};

// What there is to know of panels of keys or values, and the place of C among them.
struct HeadPanels {
  ptrdiff_t n_ctx;           // positions
  ptrdiff_t d_head;          // dimensions of a head
  ptrdiff_t first_position;  // of row 0 of C
  ptrdiff_t first_column;    // of column 0 of C, in the columns of all heads
};

// C[m, n] = activation(A[m, k] * B[k, n] * scales + bias[n]) + residual[m, n]: all rows of A
// against consecutive packed panels of B. Operands are read in words of 32 bits, neighbours along
// k: one float32, two bfloat16, or four bytes. int8 multiplies unsigned activations, each
// `int8_offset` too large (signed ones where that is 0), with signed weights in int32, exactly;
// b_sums takes the offset out again.
struct Gemm {
  const void* a;  // (m, k_words) words
  ptrdiff_t lda;  // bytes from row to row
  const void* b;  // ceil(n / gemm_nr) panels of (k_words, gemm_nr) words
  ptrdiff_t k_words;
  ptrdiff_t m;
  ptrdiff_t n;            // columns
  const float* a_scales;  // (m), or null
  const float* b_scales;  // (n in whole panels), where B is int8; with bfloat16 A, or null
  const int32_t* b_sums;  // (n in whole panels), int8 only: int8_offset * sum over k of B
  const float* bias;      // (n in whole panels), or null
  Activation activation;
  const float* residual;  // (m, n), row stride ld_residual, or null; added after the activation
  ptrdiff_t ld_residual;
  void* c;  // float32 or, if c_is_bf16, bfloat16; may be the residual
  bool c_is_bf16;
  Layout layout;
  ptrdiff_t ldc;      // elements from row to row, kRows only
  HeadPanels panels;  // all but kRows
};

// Result of one pass over a row of logits: what log-softmax needs.
struct MaxSum {
  float max;  // largest element, -inf if all are
  float sum;  // of exp(x - max); 0 if all are -inf
};

struct Table {
  const char* name;     // as in available_isas()
  ptrdiff_t gemm_nr;    // columns of a packed panel
  int32_t int8_offset;  // added to int8 activations: quantize_i8
  bool has_bf16_dot;    // products of bfloat16 are an instruction, and not made of float32's

  void (*gemm_f32)(const Gemm& args);
  // Inputs rounded to bfloat16, products and sums in float32.
  void (*gemm_bf16)(const Gemm& args);
  void (*gemm_i8)(const Gemm& args);
  // bfloat16 by int8, in bfloat16. Panels of B are (2 * k_words, gemm_nr) bytes.
  void (*gemm_bf16_i8)(const Gemm& args);

  // float32 to bfloat16, to nearest even.
  void (*to_bf16)(const float* x, ptrdiff_t n, void* y);
  // Walsh-Hadamard transform over groups of g elements that stand n / g apart, g the largest of 16,
  // 8, 4, 2, 1 that divides n; not normalised: twice is g times the row. Returns g.
  ptrdiff_t (*hadamard_f32)(const float* x, ptrdiff_t n, float* y);
  // y[i] = round(x[i] / scale) + int8_offset as a byte, scale = max |x| / 127, which it returns.
  float (*quantize_i8)(const float* x, ptrdiff_t n, void* y);

  // IEEE half precision and bfloat16 to float32, exact; x need not be aligned.
  void (*widen_f16)(const void* x, ptrdiff_t n, float* y);
  void (*widen_bf16)(const void* x, ptrdiff_t n, float* y);

  // y[i] = (x[i] - mean) / sqrt(var + eps) * weight[i] + bias[i] over one row of n.
  void (*layer_norm_f32)(const float* x, const float* weight, const float* bias, float eps,
                         ptrdiff_t n, float* y);

  // x[i] <- exp(x[i] - max(x)) in place over n; returns 1 / sum. Elements may be -inf, not all.
  float (*softmax_f32)(float* x, ptrdiff_t n);
  // The same into bfloat16: y[i] = exp(x[i] - max(x)) * scales[i], of which the sum knows nothing;
  // `scales` may be null. Elements are finite. An exp below 2^-126 may be 0.
  float (*softmax_bf16)(const float* x, const float* scales, ptrdiff_t n, void* y);

  // x[i] *= scale, over n.
  void (*scale_f32)(float* x, float scale, ptrdiff_t n);

  // Largest element and sum of exponentials of a row of logits.
  MaxSum (*max_sum_f32)(const float* x, ptrdiff_t n);

  // Index of the largest element, the lowest on ties.
  ptrdiff_t (*argmax_f32)(const float* x, ptrdiff_t n);

  // Dot products of q (d) with n_keys rows that stand in a table, each entered at `offset`:
  // out[i] = q . keys[i][offset..offset + d).
  void (*dots_f32)(const float* q, const float* const* keys, ptrdiff_t offset, ptrdiff_t d,
                   ptrdiff_t n_keys, float* out);

  // out[0..d) = sum_i weights[i] * values[i][offset..offset + d).
  void (*weighted_sum_f32)(const float* weights, const float* const* values, ptrdiff_t offset,
                           ptrdiff_t d, ptrdiff_t n_values, float* out);

  // One step of an LSTM of n cells: gates (4, n), i, f, g, o, before their activations. In place
  // c = sigmoid(f) c + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c).
  void (*lstm_cell_f32)(const float* gates, ptrdiff_t n, float* c, float* h);

  // Power spectrum of one group of 8 windowed frames, frames side by side in the lanes:
  // frames (400, 8) float64 -> power (201, 8) float64 = |DFT|^2.
  void (*power_spectrum_f64)(const double* frames, double* power);
};

// The tables this CPU can run, slowest first, ended by null. Constant after the first call.
const Table* const* available_tables();
// A table by name, or null if it is unknown or this CPU cannot run it.
const Table* find_table(const char* name);
// The table for a new model: `name`, or for "" the last available. Null if it cannot be run.
const Table* choose_table(const char* name);

}  // namespace sottovoce::kernels
