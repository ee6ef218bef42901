// Weights into the order the kernels read: panels of nr output columns, k-major within a panel.
#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "ops.h"
#include "parallel.h"

namespace sottovoce::ops {

namespace {

std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// `n` elements of `source` from `first` on, as float32.
void widen(const Context& context, const TensorView& source, std::int64_t first, std::int64_t n,
           float* out) {
  const auto* bytes = static_cast<const unsigned char*>(source.data) +
                      static_cast<std::size_t>(first) * size_of(source.dtype);
  switch (source.dtype) {
    case DType::kFloat32:
      std::memcpy(out, bytes, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case DType::kFloat16:
      return context.kernels->widen_f16(bytes, n, out);
    case DType::kBFloat16:
      return context.kernels->widen_bf16(bytes, n, out);
    case DType::kInt8:
      std::copy_n(reinterpret_cast<const std::int8_t*>(bytes), n, out);
      return;
  }
}

template <class Bits>
bool any_with_all_bits(const void* data, std::int64_t n, Bits exponent) {
  int found = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    Bits bits;  // by memcpy: a view into a file need not be aligned
    std::memcpy(&bits, static_cast<const unsigned char*>(data) + i * sizeof(Bits), sizeof(Bits));
    found |= (bits & exponent) == exponent;
  }
  return found != 0;
}

PackedLinear make_packed(const Context& context, std::int64_t n, std::int64_t k, bool with_bias) {
  PackedLinear packed;
  packed.n = n;
  packed.k = k;
  packed.nr = context.kernels->gemm_nr;
  const std::int64_t n_panels = round_up(n, packed.nr) / packed.nr;
  packed.panels = Tensor({n_panels, k, packed.nr});
  if (with_bias) packed.bias = Tensor::zeros({n_panels * packed.nr});
  return packed;
}

// Fills every panel; row_of(row, buffer, scratch) yields weight row `row` in k order as float32
// (k), with `scratch` (k) to itself.
template <class RowOf>
void fill_panels(const Context& context, PackedLinear& packed, RowOf row_of) {
  constexpr std::int64_t kRowsAtOnce = 16;  // one cache line of a panel's row
  const std::int64_t n_panels = packed.panels.shape()[0];
  Tensor buffers({context.threads->n_threads(), kRowsAtOnce + 1, packed.k});
  parallel_for(*context.threads, n_panels, [&](std::int64_t begin, std::int64_t end, int thread) {
    float* rows = buffers.data() + thread * (kRowsAtOnce + 1) * packed.k;
    float* scratch = rows + kRowsAtOnce * packed.k;
    for (std::int64_t panel = begin; panel < end; ++panel) {
      float* out = packed.panels.data() + panel * packed.k * packed.nr;
      for (std::int64_t first = 0; first < packed.nr; first += kRowsAtOnce) {
        const std::int64_t n_rows = std::min(kRowsAtOnce, packed.nr - first);
        for (std::int64_t i = 0; i < n_rows; ++i) {
          const std::int64_t row = panel * packed.nr + first + i;
          float* target = rows + i * packed.k;
          if (row < packed.n) {
            row_of(row, target, scratch);
          } else {
            std::fill_n(target, packed.k, 0.0f);
          }
        }
        for (std::int64_t step = 0; step < packed.k; ++step) {
          for (std::int64_t i = 0; i < n_rows; ++i) {
            out[step * packed.nr + first + i] = rows[i * packed.k + step];
          }
        }
      }
    }
  });
}

}  // namespace

bool all_finite(const Context& context, const TensorView& source) {
  constexpr std::int64_t kBlock = 1 << 18;
  const std::int64_t n = source.size();
  std::vector<char> bad(static_cast<std::size_t>((n + kBlock - 1) / kBlock), 0);
  parallel_for(*context.threads, static_cast<std::int64_t>(bad.size()),
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (std::int64_t block = begin; block < end; ++block) {
                   const std::int64_t first = block * kBlock;
                   const std::int64_t count = std::min(kBlock, n - first);
                   const auto* data = static_cast<const unsigned char*>(source.data) +
                                      static_cast<std::size_t>(first) * size_of(source.dtype);
                   char& flag = bad[static_cast<std::size_t>(block)];
                   if (source.dtype == DType::kFloat32) {
                     flag = any_with_all_bits<std::uint32_t>(data, count, 0x7f800000u);
                   } else if (source.dtype == DType::kFloat16) {
                     flag = any_with_all_bits<std::uint16_t>(data, count, 0x7c00u);
                   } else if (source.dtype == DType::kBFloat16) {
                     flag = any_with_all_bits<std::uint16_t>(data, count, 0x7f80u);
                   }
                 }
               });
  return std::none_of(bad.begin(), bad.end(), [](char flag) { return flag != 0; });
}

Tensor to_float32(const Context& context, const TensorView& source) {
  Tensor tensor(source.shape);
  widen(context, source, 0, source.size(), tensor.data());
  return tensor;
}

PackedLinear pack_linear(const Context& context, const std::vector<LinearBlock>& blocks) {
  std::int64_t n = 0;
  bool with_bias = false;
  std::vector<std::int64_t> first_row;
  for (const LinearBlock& block : blocks) {
    first_row.push_back(n);
    n += block.weight.shape[0];
    with_bias = with_bias || block.bias != nullptr;
  }
  const std::int64_t k = blocks.front().weight.shape[1];
  PackedLinear packed = make_packed(context, n, k, with_bias);
  fill_panels(context, packed, [&](std::int64_t row, float* out, float*) {
    const auto after = std::upper_bound(first_row.begin(), first_row.end(), row);
    const auto index = static_cast<std::size_t>(after - first_row.begin() - 1);
    const LinearBlock& block = blocks[index];
    widen(context, block.weight, (row - first_row[index]) * k, k, out);
    if (block.scale != 1.0f) context.kernels->scale_f32(out, block.scale, k);
  });
  for (std::size_t index = 0; index < blocks.size(); ++index) {
    const LinearBlock& block = blocks[index];
    if (!block.bias) continue;
    float* out = packed.bias.data() + first_row[index];
    widen(context, *block.bias, 0, block.bias->size(), out);
    context.kernels->scale_f32(out, block.scale, block.bias->size());
  }
  return packed;
}

PackedLinear pack_conv1d(const Context& context, const TensorView& weight, const TensorView& bias) {
  const std::int64_t n = weight.shape[0];
  const std::int64_t n_in = weight.shape[1];
  const std::int64_t taps = weight.shape[2];
  PackedLinear packed = make_packed(context, n, n_in * taps, true);
  fill_panels(context, packed, [&](std::int64_t row, float* out, float* source) {
    widen(context, weight, row * n_in * taps, n_in * taps, source);
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      for (std::int64_t channel = 0; channel < n_in; ++channel) {
        out[tap * n_in + channel] = source[channel * taps + tap];
      }
    }
  });
  widen(context, bias, 0, n, packed.bias.data());
  return packed;
}

void PackedLinear::unpack_row(std::int64_t row, float* out) const {
  const float* column = panels.data() + row / nr * k * nr + row % nr;
  for (std::int64_t step = 0; step < k; ++step) out[step] = column[step * nr];
}

}  // namespace sottovoce::ops
