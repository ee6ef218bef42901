// Which kernels a model gets, and what the host does with memory of others.
#include "host.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <sottovoce/error.h>
#include <sottovoce/runtime.h>

#include "environment.h"
#include "kernels.h"
#include "parallel.h"

namespace sottovoce {

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const kernels::Table* const* table = kernels::available_tables(); *table; ++table) {
    names.emplace_back((*table)->name);
  }
  return names;
}

namespace ops {

namespace {

template <class Bits>
bool any_with_all_bits(const void* data, std::int64_t n, Bits exponent) {
  int found = 0;
#pragma omp simd reduction(| : found)
  for (std::int64_t i = 0; i < n; ++i) {
    Bits bits;  // by memcpy: a view into a file need not be aligned
    std::memcpy(&bits, static_cast<const unsigned char*>(data) + i * sizeof(Bits), sizeof(Bits));
    found |= (bits & exponent) == exponent;
  }
  return found != 0;
}

}  // namespace

Context make_context(const std::string& isa, Threads& threads) {
  const bool by_environment = isa.empty() && !environment().isa.empty();
  const std::string& name = by_environment ? environment().isa : isa;
  const kernels::Table* table = kernels::choose_table(name.c_str());
  if (!table) {
    std::string known;
    for (const std::string& each : available_isas()) known += (known.empty() ? "" : ", ") + each;
    throw ShapeError("isa must be one this CPU has (" + known + "), got '" + name + "'" +
                     (by_environment ? " from SOTTOVOCE_ISA" : ""));
  }
  return {table, &threads};
}

const char* isa_name(const Context& context) { return context.kernels->name; }

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

Tensor column_maxima(const Context& context, const std::vector<LinearBlock>& blocks) {
  const std::int64_t k = blocks.front().weight.shape[1];
  const std::int64_t n_threads = context.threads->n_threads();
  Tensor maxima = Tensor::zeros({n_threads, k});
  Tensor rows({n_threads, k});
  for (const LinearBlock& block : blocks) {
    parallel_for(*context.threads, block.weight.shape[0],
                 [&](std::int64_t begin, std::int64_t end, int thread) {
                   float* row = rows.data() + thread * k;
                   float* of_thread = maxima.data() + thread * k;
                   for (std::int64_t i = begin; i < end; ++i) {
                     widen(context, block.weight, i * k, k, row);
                     for (std::int64_t j = 0; j < k; ++j) {
                       of_thread[j] = std::max(of_thread[j], std::abs(block.scale * row[j]));
                     }
                   }
                 });
  }
  Tensor largest = Tensor::zeros({k});
  for (std::int64_t i = 0; i < maxima.size(); ++i) {
    largest.data()[i % k] = std::max(largest.data()[i % k], maxima.data()[i]);
  }
  return largest;
}

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

void softmax_rows(const Context& context, float* x, std::int64_t n_rows, std::int64_t n) {
  for (std::int64_t row = 0; row < n_rows; ++row) {
    const float scale = context.kernels->softmax_f32(x + row * n, n);
    context.kernels->scale_f32(x + row * n, scale, n);
  }
}

}  // namespace ops
}  // namespace sottovoce
