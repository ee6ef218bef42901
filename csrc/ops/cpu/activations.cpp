// Activations in the dtype of their reader, and the operations that make them row by row.
#include <algorithm>
#include <cstring>

#include "kernels.h"
#include "parallel.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

constexpr float kLayerNormEps = 1e-5f;
// Elements below which a loop over rows is done by the caller alone.
constexpr std::int64_t kWorthSharing = 1 << 15;

std::int64_t whole_words(std::int64_t n, DType dtype) {
  const auto per_word = static_cast<std::int64_t>(sizeof(float) / size_of(dtype));
  return (n + per_word - 1) / per_word * per_word;
}

// x (n) as row `row`, with `line` (n) to itself. What fills up the last word is multiplied by zero
// weights, but must be finite.
void put_row(const kernels::Table& kernels, const float* x, std::int64_t row, float* line,
             Activations& rows) {
  const std::int64_t n = rows.n();
  if (rows.dtype() == DType::kInt8) {
    kernels.hadamard_f32(x, n, line);
    rows.scale(row) = kernels.quantize_i8(line, n, rows.row(row));
  } else if (rows.dtype() == DType::kBFloat16) {
    kernels.to_bf16(x, n, rows.row(row));
    if (n % 2 == 1) static_cast<std::uint16_t*>(rows.row(row))[n] = 0;
  } else if (x != rows.row(row)) {
    std::memcpy(rows.row(row), x, static_cast<std::size_t>(n) * sizeof(float));
  }
}

}  // namespace

Activations::Activations(const CpuContext& context, std::int64_t n_rows, std::int64_t n,
                         DType dtype)
    : n_rows_(n_rows),
      n_(n),
      values_(make_tensor(context, {n_rows, whole_words(n, dtype)}, dtype)) {
  values_.use_huge_pages();
  if (dtype != DType::kInt8) return;
  scales_ = make_tensor(context, {n_rows});
  staging_ = make_tensor(context, {n_rows, n});
  staging_.use_huge_pages();
}

RowsView Activations::view() const {
  return {values_.raw(), values_.shape()[1] * static_cast<std::int64_t>(size_of(dtype())),
          scales_.empty() ? nullptr : scales_.data()};
}

void* Activations::row(std::int64_t row) {
  return static_cast<char*>(values_.raw()) + row * view().stride;
}

const void* Activations::row(std::int64_t row) const {
  return static_cast<const char*>(values_.raw()) + row * view().stride;
}

void finish(const Context& context, Activations& rows) {
  if (rows.dtype() == DType::kInt8) convert(context, rows.written().data(), rows.n(), rows);
}

void convert(const Context& context, const float* x, std::int64_t stride, Activations& rows) {
  const std::int64_t n = rows.n();
  Tensor lines({context.threads->n_threads(), n});
  parallel_for_if(rows.n_rows() * n >= kWorthSharing, *context.threads, rows.n_rows(),
                  [&](std::int64_t begin, std::int64_t end, int thread) {
                    for (std::int64_t row = begin; row < end; ++row) {
                      put_row(*context.kernels, x + row * stride, row, lines.data() + thread * n,
                              rows);
                    }
                  });
}

void layer_norm(const Context& context, const float* x, const float* weight, const float* bias,
                Activations& rows) {
  const std::int64_t n = rows.n();
  // Where the row is not kept as float32 it passes through a line of the thread's own.
  Tensor lines({context.threads->n_threads(), 2 * n});
  parallel_for_if(
      rows.n_rows() * n >= kWorthSharing, *context.threads, rows.n_rows(),
      [&](std::int64_t begin, std::int64_t end, int thread) {
        for (std::int64_t row = begin; row < end; ++row) {
          float* normal = rows.dtype() == DType::kFloat32 ? static_cast<float*>(rows.row(row))
                                                          : lines.data() + thread * 2 * n;
          context.kernels->layer_norm_f32(x + row * n, weight, bias, kLayerNormEps, n, normal);
          put_row(*context.kernels, normal, row, lines.data() + (thread * 2 + 1) * n, rows);
        }
      });
}

void layer_norm(const Context& context, const float* x, const float* weight, const float* bias,
                std::int64_t n_rows, std::int64_t n, float* out) {
  parallel_for_if(n_rows * n >= kWorthSharing, *context.threads, n_rows,
                  [&](std::int64_t begin, std::int64_t end, int) {
                    for (std::int64_t row = begin; row < end; ++row) {
                      context.kernels->layer_norm_f32(x + row * n, weight, bias, kLayerNormEps, n,
                                                      out + row * n);
                    }
                  });
}

void transpose_frames(const Context& context, const TensorView& mel, std::int64_t n_total,
                      DType dtype, void* out) {
  const std::int64_t n_mels = mel.shape[0];
  const std::int64_t n_frames = mel.shape[1];
  const std::int64_t row_bytes = n_mels * static_cast<std::int64_t>(size_of(dtype));
  Tensor lines({context.threads->n_threads(), n_mels});
  parallel_for(*context.threads, n_total, [&](std::int64_t begin, std::int64_t end, int thread) {
    float* line = lines.data() + thread * n_mels;
    for (std::int64_t frame = begin; frame < end; ++frame) {
      void* row = static_cast<char*>(out) + frame * row_bytes;
      if (frame >= n_frames) {
        std::memset(row, 0, static_cast<std::size_t>(row_bytes));
        continue;
      }
      float* to = dtype == DType::kFloat32 ? static_cast<float*>(row) : line;
      for (std::int64_t band = 0; band < n_mels; ++band) {
        to[band] = mel.f32()[band * n_frames + frame];
      }
      if (dtype == DType::kBFloat16) context.kernels->to_bf16(line, n_mels, row);
    }
  });
}

}  // namespace sottovoce::ops
