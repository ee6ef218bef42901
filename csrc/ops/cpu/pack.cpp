// Weights into the order the kernels read: panels of nr output columns, k-major within a panel.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "parallel.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// A row of weights as words along k, (k_words), and what int8 needs besides.
class RowPacker {
 public:
  RowPacker(const kernels::Table& kernels, DType dtype, std::int64_t k)
      : kernels_(kernels), dtype_(dtype), k_(k) {}

  // x (k) -> words, `line` (k) as scratch. int8: the scale and offset * sum of the row.
  void pack(const float* x, float* line, void* words, float& scale, std::int32_t& sum) const {
    if (dtype_ == DType::kFloat32) {
      std::memcpy(words, x, static_cast<std::size_t>(k_) * sizeof(float));
    } else if (dtype_ == DType::kBFloat16) {
      kernels_.to_bf16(x, k_, words);
      if (k_ % 2 == 1) static_cast<std::uint16_t*>(words)[k_] = 0;
    } else {
      // Activations and weights are turned alike, which leaves their products as they are, but
      // spreads what is large in one channel over a group of them (QuaRot, Ashkboos et al. 2024).
      const std::ptrdiff_t group = kernels_.hadamard_f32(x, k_, line);
      scale = kernels_.quantize_i8(line, k_, words) / static_cast<float>(group);
      sum = kernels_.int8_offset * center(static_cast<std::uint8_t*>(words));
    }
  }

 private:
  // Bytes without the offset, zeros up to a whole word. Returns their sum.
  std::int32_t center(std::uint8_t* bytes) const {
    const int offset = kernels_.int8_offset;
    std::int32_t sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < k_; ++i) {
      const auto weight = static_cast<std::int8_t>(bytes[i] - offset);
      sum += weight;
      bytes[i] = static_cast<std::uint8_t>(weight);
    }
    std::fill(bytes + k_, bytes + round_up(k_, 4), std::uint8_t{0});
    return sum;
  }

  const kernels::Table& kernels_;
  DType dtype_;
  std::int64_t k_;
};

std::int64_t elements_in_word(DType dtype) {
  return static_cast<std::int64_t>(sizeof(float) / size_of(dtype));
}

// A weight without its tensors, and how many panels they are for.
std::int64_t lay_out(const Context& context, DType dtype, const std::vector<std::int64_t>& ns,
                     std::int64_t k, PackedLinear& packed) {
  packed.k = k;
  packed.nr = context.kernels->gemm_nr;
  packed.k_words = (k + elements_in_word(dtype) - 1) / elements_in_word(dtype);
  std::int64_t n_panels = 0;
  for (const std::int64_t n : ns) {
    packed.blocks.push_back({n_panels, n});
    packed.n += n;
    n_panels += (n + packed.nr - 1) / packed.nr;
  }
  return n_panels;
}

Shape panels_shape(const PackedLinear& packed, DType dtype, std::int64_t n_panels) {
  return {n_panels, packed.k_words * packed.nr * elements_in_word(dtype)};
}

PackedLinear make_packed(const CpuContext& context, DType dtype,
                         const std::vector<std::int64_t>& ns, std::int64_t k, bool with_bias) {
  PackedLinear packed;
  const std::int64_t n_panels = lay_out(context, dtype, ns, k, packed);
  packed.panels = make_tensor(context, panels_shape(packed, dtype, n_panels), dtype);
  packed.panels.use_huge_pages();
  if (with_bias) packed.bias = zero_tensor(context, {n_panels * packed.nr});
  if (dtype == DType::kInt8) {
    packed.scales = zero_tensor(context, {n_panels * packed.nr});
    packed.sums = zero_tensor(context, {n_panels * packed.nr});
  }
  return packed;
}

bool is_tensor(const Tensor& tensor, const Shape& shape, DType dtype) {
  return !tensor.empty() && tensor.shape() == shape && tensor.dtype() == dtype;
}

// Rows one to `n_rows` of words, (k_words) each, side by side into columns from `out` on.
void interleave(const std::uint32_t* words, std::int64_t k_words, std::int64_t n_rows,
                std::int64_t nr, std::uint32_t* out) {
  for (std::int64_t step = 0; step < k_words; ++step) {
    for (std::int64_t i = 0; i < n_rows; ++i) out[step * nr + i] = words[i * k_words + step];
  }
}

// Fills every panel; row_of(block, row, buffer, scratch) yields row `row` of a block in k order as
// float32 (k), with `scratch` (k) to itself.
template <class RowOf>
void fill_panels(const Context& context, PackedLinear& packed, RowOf row_of) {
  constexpr std::int64_t kRowsAtOnce = 16;  // one cache line of a panel's step
  const RowPacker packer(*context.kernels, packed.dtype(), packed.k);
  const std::int64_t per_thread = (kRowsAtOnce * packed.k_words + 2 * packed.k + 31) / 16 * 16;
  Tensor buffers({context.threads->n_threads(), per_thread});
  parallel_for(
      *context.threads, packed.n_panels(), [&](std::int64_t begin, std::int64_t end, int thread) {
        float* row_f32 = buffers.data() + thread * per_thread;
        float* scratch = row_f32 + packed.k;
        auto* words = reinterpret_cast<std::uint32_t*>(scratch + packed.k);
        for (std::int64_t panel = begin; panel < end; ++panel) {
          const std::size_t block = packed.block_of(panel);
          const std::int64_t first_row = (panel - packed.blocks[block].first_panel) * packed.nr;
          auto* out =
              static_cast<std::uint32_t*>(packed.panels.raw()) + panel * packed.k_words * packed.nr;
          for (std::int64_t i = 0; i < packed.nr; ++i) {
            const std::int64_t column = panel * packed.nr + i;
            std::uint32_t* to = words + i % kRowsAtOnce * packed.k_words;
            if (first_row + i < packed.blocks[block].n) {
              float scale = 0.0f;
              std::int32_t sum = 0;
              row_of(block, first_row + i, row_f32, scratch);
              packer.pack(row_f32, scratch, to, scale, sum);
              if (!packed.scales.empty()) {
                packed.scales.data()[column] = scale;
                static_cast<std::int32_t*>(packed.sums.raw())[column] = sum;
              }
            } else {
              std::fill_n(to, packed.k_words, 0u);
            }
            const std::int64_t first = i / kRowsAtOnce * kRowsAtOnce;
            const std::int64_t n_rows = std::min(kRowsAtOnce, packed.nr - first);
            if (i + 1 - first == n_rows) {
              interleave(words, packed.k_words, n_rows, packed.nr, out + first);
            }
          }
        }
      });
}

}  // namespace

bool is_packed_as(const Context& context, const PackedLinear& weight, DType dtype,
                  const std::vector<std::int64_t>& ns, std::int64_t k, bool with_bias) {
  PackedLinear like;
  const std::int64_t n_panels = lay_out(context, dtype, ns, k, like);
  const auto is_column_wise = [&](const Tensor& tensor, bool wanted) {
    return wanted ? is_tensor(tensor, {n_panels * like.nr}, DType::kFloat32) : tensor.empty();
  };
  const auto same_block = [](const PackedLinear::Block& a, const PackedLinear::Block& b) {
    return a.first_panel == b.first_panel && a.n == b.n;
  };
  return weight.n == like.n && weight.k == like.k && weight.k_words == like.k_words &&
         weight.nr == like.nr &&
         std::equal(weight.blocks.begin(), weight.blocks.end(), like.blocks.begin(),
                    like.blocks.end(), same_block) &&
         is_tensor(weight.panels, panels_shape(like, dtype, n_panels), dtype) &&
         is_column_wise(weight.bias, with_bias) &&
         is_column_wise(weight.scales, dtype == DType::kInt8) &&
         is_column_wise(weight.sums, dtype == DType::kInt8);
}

Tensor copy_of(const CpuContext& context, const TensorView& source) {
  Tensor tensor = make_tensor(context, source.shape, source.dtype);
  tensor.use_huge_pages();
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  const auto n_blocks = static_cast<std::int64_t>((source.n_bytes() + kBlock - 1) / kBlock);
  parallel_for(*context.threads, n_blocks, [&](std::int64_t begin, std::int64_t end, int) {
    const std::size_t first = static_cast<std::size_t>(begin) * kBlock;
    const std::size_t last = std::min(static_cast<std::size_t>(end) * kBlock, source.n_bytes());
    std::memcpy(static_cast<char*>(tensor.raw()) + first,
                static_cast<const char*>(source.data) + first, last - first);
  });
  return tensor;
}

PackedLinear pack_linear(const CpuContext& context, DType dtype,
                         const std::vector<LinearBlock>& blocks) {
  std::vector<std::int64_t> ns;
  bool with_bias = false;
  for (const LinearBlock& block : blocks) {
    ns.push_back(block.weight.shape[0]);
    with_bias = with_bias || block.bias != nullptr;
  }
  const std::int64_t k = blocks.front().weight.shape[1];
  PackedLinear packed = make_packed(context, dtype, ns, k, with_bias);
  fill_panels(context, packed, [&](std::size_t index, std::int64_t row, float* out, float*) {
    const LinearBlock& block = blocks[index];
    widen(context, block.weight, row * k, k, out);
    if (block.scale != 1.0f) context.kernels->scale_f32(out, block.scale, k);
    if (block.column_scales) {
      for (std::int64_t i = 0; i < k; ++i) out[i] *= block.column_scales->data()[i];
    }
  });
  for (std::size_t index = 0; index < blocks.size(); ++index) {
    const LinearBlock& block = blocks[index];
    if (!block.bias) continue;
    float* out = packed.bias.data() + packed.blocks[index].first_panel * packed.nr;
    widen(context, *block.bias, 0, block.bias->size(), out);
    context.kernels->scale_f32(out, block.scale, block.bias->size());
  }
  return packed;
}

PackedLinear pack_conv1d(const CpuContext& context, DType dtype, const TensorView& weight,
                         const TensorView& bias) {
  const std::int64_t n = weight.shape[0];
  const std::int64_t n_in = weight.shape[1];
  const std::int64_t taps = weight.shape[2];
  PackedLinear packed = make_packed(context, dtype, {n}, n_in * taps, true);
  fill_panels(context, packed, [&](std::size_t, std::int64_t row, float* out, float* source) {
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

std::size_t PackedLinear::block_of(std::int64_t panel) const {
  std::size_t block = blocks.size() - 1;
  while (panel < blocks[block].first_panel) --block;
  return block;
}

std::size_t PackedLinear::n_bytes() const {
  return panels.n_bytes() + bias.n_bytes() + scales.n_bytes() + sums.n_bytes();
}

void PackedLinear::unpack_row(std::int64_t row, float* out) const {
  const float* column = panels.data() + row / nr * k * nr + row % nr;
  for (std::int64_t i = 0; i < k; ++i) out[i] = column[i * nr];
}

}  // namespace sottovoce::ops
