// All bodies and their table, for the instruction set whose namespace includes this file after its
// vector types.

// clang-format off: each uses what stands above it
#include "lanes.inl"
#include "math.inl"
#include "gemm.inl"
#include "power_spectrum.inl"
#include "rows.inl"
#include "widen.inl"
// clang-format on

constexpr Table make_table(const char* name) {
  return Table{
      name,
      kNr,
      kInt8Offset,
      kHasBF16Dot,
      gemm_f32,
      gemm_bf16,
      gemm_i8,
      gemm_bf16_i8,
      to_bf16,
      hadamard_f32,
      quantize_i8,
      widen_f16,
      widen_bf16,
      layer_norm_f32,
      softmax_f32,
      softmax_bf16,
      scale_f32,
      max_sum_f32,
      argmax_f32,
      dots_f32,
      weighted_sum_f32,
      lstm_cell_f32,
      power_spectrum_f64,
  };
}
