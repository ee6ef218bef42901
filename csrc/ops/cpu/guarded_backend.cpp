// Every verb opens the memory, does what the CPU's does, and closes it.
#include "guarded_backend.h"

#include <cstring>
#include <utility>

namespace sottovoce::ops {

GuardedBackend::GuardedBackend(const RuntimeOptions& options)
    : CpuBackend(options, std::make_unique<GuardedMemory>()),
      guarded_(static_cast<GuardedMemory&>(memory())) {}

Array GuardedBackend::array(Shape shape, DType dtype) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::array(std::move(shape), dtype);
}

Array GuardedBackend::zeros(Shape shape, DType dtype) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::zeros(std::move(shape), dtype);
}

Array GuardedBackend::reserve(Shape shape, DType dtype) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::reserve(std::move(shape), dtype);
}

Array GuardedBackend::upload(const TensorView& source) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::upload(source);
}

void GuardedBackend::upload(const TensorView& source, std::int64_t first_row, Array& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::upload(source, first_row, out);
}

Tensor GuardedBackend::download(const Array& source, std::int64_t first_row,
                                std::int64_t n_rows) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::download(source, first_row, n_rows);
}

Tensor GuardedBackend::take(const Array& source) const {
  const GuardedMemory::Access access(guarded_);
  Tensor copy(source.shape(), source.dtype());
  std::memcpy(copy.raw(), view(source).data, copy.n_bytes());
  return copy;
}

bool GuardedBackend::all_finite(const Array& source) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::all_finite(source);
}

LinearPtr GuardedBackend::pack_linear(DType dtype, const std::vector<LinearBlock>& blocks) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::pack_linear(dtype, blocks);
}

LinearPtr GuardedBackend::pack_conv1d(DType dtype, const TensorView& weight,
                                      const TensorView& bias) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::pack_conv1d(dtype, weight, bias);
}

Embedding GuardedBackend::pack_embedding(DType dtype, const TensorView& weight) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::pack_embedding(dtype, weight);
}

RowsPtr GuardedBackend::rows(std::int64_t n_rows, std::int64_t n, DType dtype) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::rows(n_rows, n, dtype);
}

KeysValuesPtr GuardedBackend::keys_values(DType dtype, std::int64_t n_ctx, std::int64_t n_head,
                                          std::int64_t d_head) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::keys_values(dtype, n_ctx, n_head, d_head);
}

std::unique_ptr<KVArena> GuardedBackend::arena(std::int64_t n_layer, std::int64_t n_ctx,
                                               std::int64_t n_rows, std::int64_t n_state) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::arena(n_layer, n_ctx, n_rows, n_state);
}

std::unique_ptr<MlpScratch> GuardedBackend::mlp_scratch(std::int64_t n_rows, std::int64_t n,
                                                        DType dtype) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::mlp_scratch(n_rows, n, dtype);
}

void GuardedBackend::layer_norm(const Array& x, std::int64_t first_row, const LayerNorm& ln,
                                Array& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::layer_norm(x, first_row, ln, out);
}

void GuardedBackend::norm_linear(const Array& x, const LayerNorm& ln, const Linear& weight,
                                 Rows& normal, Array& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::norm_linear(x, ln, weight, normal, out);
}

void GuardedBackend::norm_linear(const Array& x, const LayerNorm& ln, const Linear& weight,
                                 Rows& normal, Rows& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::norm_linear(x, ln, weight, normal, out);
}

void GuardedBackend::norm_qkv(const Array& x, const LayerNorm& ln, const Linear& weight,
                              Rows& normal, Rows& q,
                              const std::vector<KeysValuesPtr>& keys_values) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::norm_qkv(x, ln, weight, normal, q, keys_values);
}

void GuardedBackend::add_linear(const Rows& in, const Linear& weight, Array& x) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::add_linear(in, weight, x);
}

void GuardedBackend::add_mlp(const LayerNorm& ln, const Linear& up, const Linear& down,
                             MlpScratch& scratch, Array& x) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::add_mlp(ln, up, down, scratch, x);
}

void GuardedBackend::frames(const std::vector<TensorView>& mels, Array& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::frames(mels, out);
}

void GuardedBackend::convolve(const Linear& weight, const Array& in, std::int64_t stride,
                              const Array* residual, Array& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::convolve(weight, in, stride, residual, out);
}

std::size_t GuardedBackend::attend_to_window(const std::vector<KeysValuesPtr>& keys_values,
                                             std::int64_t n_head, const Rows& q, Rows& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::attend_to_window(keys_values, n_head, q, out);
}

void GuardedBackend::convert(const Array& x, Rows& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::convert(x, out);
}

void GuardedBackend::project_keys_values(const Linear& weight, const Rows& audio,
                                         KeysValues& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::project_keys_values(weight, audio, out);
}

std::unique_ptr<Step> GuardedBackend::prepare(const StepPlan& plan, KVArena& arena) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::prepare(plan, arena);
}

void GuardedBackend::embed(const Step& step, const Embedding& embedding, const Array& positions,
                           Array& x) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::embed(step, embedding, positions, x);
}

std::size_t GuardedBackend::append_and_attend(const Step& step, std::int64_t layer,
                                              std::int64_t n_head, const Array& qkv,
                                              Rows& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::append_and_attend(step, layer, n_head, qkv, out);
}

std::size_t GuardedBackend::attend_to_audio(const Step& step, std::int64_t layer,
                                            std::int64_t n_head, const Rows& q, Rows& out,
                                            Look* look) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::attend_to_audio(step, layer, n_head, q, out, look);
}

void GuardedBackend::logits(const Step& step, const Array& x, const LayerNorm& ln,
                            const Embedding& embedding, Array& out) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::logits(step, x, ln, embedding, out);
}

void GuardedBackend::choose(Array& logits, const std::vector<ChoiceQuery>& queries,
                            std::vector<Choice>& choices) const {
  const GuardedMemory::Access access(guarded_);
  return CpuBackend::choose(logits, queries, choices);
}

}  // namespace sottovoce::ops
