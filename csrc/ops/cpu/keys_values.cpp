// Keys and values of a window in the panels that attention reads: where the elements go, and how
// they get there.
#include <algorithm>
#include <cstring>

#include "kernels.h"
#include "parallel.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

std::int64_t n_panels_of(std::int64_t n, std::int64_t nr) { return (n + nr - 1) / nr; }

// Of keys and values in a word of the queries or of the softmax's weights.
std::int64_t elements_in_word(DType dtype) { return dtype == DType::kFloat32 ? 1 : 2; }

}  // namespace

PackedKeysValues::PackedKeysValues(const CpuContext& context, DType dtype, std::int64_t n_ctx,
                                   std::int64_t n_head, std::int64_t d_head)
    : n_ctx_(n_ctx), d_head_(d_head), nr_(context.kernels->gemm_nr) {
  const std::int64_t e = elements_in_word(dtype);
  const std::int64_t key_panel = n_panels_of(d_head, e) * e * nr_;
  const std::int64_t value_panel = n_panels_of(n_ctx, e) * e * nr_;
  const Shape keys_shape{n_head, n_panels_of(n_ctx, nr_), key_panel};
  const Shape values_shape{n_head, n_panels_of(d_head, nr_), value_panel};
  // What fills up the last word of a sum must be zero. What fills up a panel is multiplied as well,
  // and though nobody reads the result, subnormals that memory held before would take a hundred
  // times as long.
  keys_ = (d_head % e == 0 ? make_tensor : zero_tensor)(context, keys_shape, dtype);
  values_ = (n_ctx % e == 0 && d_head % nr_ == 0 ? make_tensor : zero_tensor)(context, values_shape,
                                                                              dtype);
  const std::size_t panel_bytes = static_cast<std::size_t>(key_panel) * size_of(dtype);
  for (std::int64_t head = 0; n_ctx % nr_ != 0 && head < n_head; ++head) {
    const auto last_panel = static_cast<std::size_t>((head + 1) * keys_shape[1] - 1);
    std::memset(static_cast<char*>(keys_.raw()) + last_panel * panel_bytes, 0, panel_bytes);
  }
  keys_.use_huge_pages();
  values_.use_huge_pages();
  if (dtype == DType::kInt8) {
    key_scales_ = zero_tensor(context, {n_head, keys_shape[1] * nr_});
    value_scales_ = make_tensor(context, {n_head, n_ctx});
  }
}

Destination PackedKeysValues::panels(Destination::Layout layout, Tensor& of) {
  Destination out;
  out.data = of.raw();
  out.dtype = of.dtype();
  out.layout = layout;
  out.n_ctx = n_ctx_;
  out.d_head = d_head_;
  return out;
}

Destination PackedKeysValues::keys() { return panels(Destination::Layout::kKeyPanels, keys_); }

Destination PackedKeysValues::values() {
  return panels(Destination::Layout::kValuePanels, values_);
}

const void* PackedKeysValues::keys_of(std::int64_t head) const {
  return static_cast<const char*>(keys_.raw()) +
         head * static_cast<std::int64_t>(keys_.n_bytes()) / keys_.shape()[0];
}

const void* PackedKeysValues::values_of(std::int64_t head) const {
  return static_cast<const char*>(values_.raw()) +
         head * static_cast<std::int64_t>(values_.n_bytes()) / values_.shape()[0];
}

const float* PackedKeysValues::key_scales_of(std::int64_t head) const {
  return key_scales_.empty() ? nullptr : key_scales_.data() + head * key_scales_.shape()[1];
}

const float* PackedKeysValues::value_scales_of(std::int64_t head) const {
  return value_scales_.empty() ? nullptr : value_scales_.data() + head * n_ctx_;
}

void PackedKeysValues::quantize(const Context& context, const HeadRows& rows, std::uint8_t* codes) {
  const kernels::Table& kernels = *context.kernels;
  const auto code = [&](std::int64_t d) {
    return static_cast<std::int8_t>(codes[d] - kernels.int8_offset);
  };
  const std::int64_t keys_of_head = rows.head * keys_.size() / keys_.shape()[0];
  const std::int64_t values_of_head = rows.head * values_.size() / values_.shape()[0];
  auto* const key_bytes = static_cast<std::int8_t*>(keys_.raw()) + keys_of_head;
  auto* const value_bytes = static_cast<std::int8_t*>(values_.raw()) + values_of_head;
  float* const key_scales = key_scales_.data() + rows.head * key_scales_.shape()[1];
  float* const value_scales = value_scales_.data() + rows.head * n_ctx_;
  for (std::int64_t row = 0; row < rows.n_rows; ++row) {
    const std::int64_t position = rows.first + row;
    key_scales[position] = kernels.quantize_i8(rows.keys + row * rows.stride, d_head_, codes);
    // A panel of keys is (d_head, nr) bytes, one column a position.
    std::int8_t* to = key_bytes + position / nr_ * keys_.shape()[2] + position % nr_;
    for (std::int64_t d = 0; d < d_head_; ++d) to[d * nr_] = code(d);
    value_scales[position] = kernels.quantize_i8(rows.values + row * rows.stride, d_head_, codes);
    // One of values is (n_ctx, nr), one row a position.
    to = value_bytes + position * nr_;
    for (std::int64_t d = 0; d < d_head_; ++d) {
      to[d / nr_ * values_.shape()[2] + d % nr_] = code(d);
    }
  }
}

std::size_t PackedKeysValues::n_bytes() const {
  return keys_.n_bytes() + values_.n_bytes() + key_scales_.n_bytes() + value_scales_.n_bytes();
}

std::int64_t PackedKeysValues::key_words() const {
  return keys_.shape()[2] / (elements_in_word(dtype()) * nr_);
}

std::int64_t PackedKeysValues::value_words() const {
  return values_.shape()[2] / (elements_in_word(dtype()) * nr_);
}

void project_keys_values(const Context& context, const PackedLinear& weight, const RowsView& x,
                         PackedKeysValues& out) {
  if (out.dtype() != DType::kInt8) {
    LinearArgs args;
    args.x = x;
    args.m = out.n_ctx();
    args.out = {out.keys(), out.values()};
    linear(context, weight, args);
    return;
  }
  constexpr std::int64_t kBlockRows = 300;  // whose float32 stays in the cache
  const std::int64_t n = weight.blocks[0].n;
  Tensor rows({std::min(kBlockRows, out.n_ctx()), 2 * n});  // columns keys | values
  Tensor codes({context.threads->n_threads(), out.d_head()}, DType::kInt8);
  for (std::int64_t first = 0; first < out.n_ctx(); first += kBlockRows) {
    const std::int64_t n_rows = std::min(kBlockRows, out.n_ctx() - first);
    LinearArgs args;
    args.x = x.from(first);
    args.m = n_rows;
    args.out = {Destination::rows(rows.data(), DType::kFloat32, 2 * n),
                Destination::rows(rows.data() + n, DType::kFloat32, 2 * n)};
    linear(context, weight, args);
    parallel_for(
        *context.threads, out.n_head(), [&](std::int64_t begin, std::int64_t end, int thread) {
          auto* of_thread = static_cast<std::uint8_t*>(codes.raw()) + thread * out.d_head();
          for (std::int64_t head = begin; head < end; ++head) {
            PackedKeysValues::HeadRows of_head;
            of_head.head = head;
            of_head.first = first;
            of_head.n_rows = n_rows;
            of_head.keys = rows.data() + head * out.d_head();
            of_head.values = of_head.keys + n;
            of_head.stride = 2 * n;
            out.quantize(context, of_head, of_thread);
          }
        });
  }
}

}  // namespace sottovoce::ops
