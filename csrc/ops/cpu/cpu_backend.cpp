// The back end's verbs out of those in verbs.h: memory, weights, layers and audio.
#include "cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "casts.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

struct CpuMlpScratch final : MlpScratch {
  Activations normal;  // (rows at a time, n) after a layer norm
  Activations hidden;  // (rows at a time, 4 n)

  CpuMlpScratch(const CpuContext& context, std::int64_t n_rows, std::int64_t n, DType dtype)
      : normal(context, n_rows, n, dtype), hidden(context, n_rows, 4 * n, dtype) {}
};

}  // namespace

CpuBackend::CpuBackend(const RuntimeOptions& options, std::unique_ptr<HostMemory> memory)
    : Backend(options), memory_(std::move(memory)), context_(host(), memory_.get()) {}

Array CpuBackend::adopt(Tensor tensor) {
  const Shape shape = tensor.shape();
  const DType dtype = tensor.dtype();
  return make_array(std::move(tensor).release(), shape, dtype);
}

void* CpuBackend::row(const Array& array, std::int64_t index) {
  return static_cast<char*>(raw(array)) +
         index * array.n_columns() * static_cast<std::int64_t>(size_of(array.dtype()));
}

TensorView CpuBackend::view(const Array& array) {
  return {raw(array), array.dtype(), array.shape()};
}

// A layer of one window is some two hundred tasks (csrc/README, on paper): enough for a few threads
// to share evenly, and its activations stay in the caches. With more threads, windows side by side
// are.
int CpuBackend::windows_at_once() const {
  constexpr int kThreadsOfWindow = 4;
  constexpr int kMost = 4;
  return std::min(std::max(host().threads->n_threads() / kThreadsOfWindow, 1), kMost);
}

Array CpuBackend::array(Shape shape, DType dtype) const {
  Tensor tensor = make_tensor(context_, std::move(shape), dtype);
  tensor.use_huge_pages();
  return adopt(std::move(tensor));
}

Array CpuBackend::zeros(Shape shape, DType dtype) const {
  return adopt(zero_tensor(context_, std::move(shape), dtype));
}

Array CpuBackend::reserve(Shape shape, DType dtype) const {
  return adopt(make_tensor(context_, std::move(shape), dtype));
}

Array CpuBackend::upload(const TensorView& source) const {
  return adopt(copy_of(context_, source));
}

void CpuBackend::upload(const TensorView& source, std::int64_t first_row, Array& out) const {
  std::memcpy(row(out, first_row), source.data, source.n_bytes());
}

Tensor CpuBackend::download(const Array& source, std::int64_t first_row,
                            std::int64_t n_rows) const {
  const Shape shape{n_rows, source.n_columns()};
  return copy_of(CpuContext(host()), {row(source, first_row), source.dtype(), shape});
}

Tensor CpuBackend::take(const Array& source) const {
  return Tensor::over(memory_of(source), source.shape(), source.dtype());
}

bool CpuBackend::all_finite(const Array& source) const {
  return ops::all_finite(context_, view(source));
}

LinearPtr CpuBackend::pack_linear(DType dtype, const std::vector<LinearBlock>& blocks) const {
  return std::make_unique<PackedLinear>(ops::pack_linear(context_, dtype, blocks));
}

LinearPtr CpuBackend::pack_conv1d(DType dtype, const TensorView& weight,
                                  const TensorView& bias) const {
  return std::make_unique<PackedLinear>(ops::pack_conv1d(context_, dtype, weight, bias));
}

Embedding CpuBackend::pack_embedding(DType dtype, const TensorView& weight) const {
  Embedding embedding;
  embedding.linear = pack_linear(dtype, {{weight}});
  // Tokens are embedded, and the likeliest logits computed again, as the checkpoint has them.
  if (dtype != DType::kFloat32) embedding.rows = upload(weight);
  return embedding;
}

RowsPtr CpuBackend::rows(std::int64_t n_rows, std::int64_t n, DType dtype) const {
  return std::make_unique<Activations>(context_, n_rows, n, dtype);
}

KeysValuesPtr CpuBackend::keys_values(DType dtype, std::int64_t n_ctx, std::int64_t n_head,
                                      std::int64_t d_head) const {
  return std::make_unique<PackedKeysValues>(context_, dtype, n_ctx, n_head, d_head);
}

std::unique_ptr<MlpScratch> CpuBackend::mlp_scratch(std::int64_t n_rows, std::int64_t n,
                                                    DType dtype) const {
  constexpr std::int64_t kMostRows = 300;  // of 1500, in whole register tiles: stays in the cache
  return std::make_unique<CpuMlpScratch>(context_, std::min(n_rows, kMostRows), n, dtype);
}

void CpuBackend::layer_norm(const Array& x, std::int64_t first_row, const LayerNorm& ln,
                            Array& out) const {
  ops::layer_norm(context_, f32(x) + first_row * x.n_columns(), f32(ln.weight), f32(ln.bias),
                  out.n_rows(), out.n_columns(), f32(out));
}

void CpuBackend::norm_linear(const Array& x, const LayerNorm& ln, const Linear& weight,
                             Rows& normal, Array& out) const {
  Activations& rows = activations(normal);
  ops::layer_norm(context_, f32(x), f32(ln.weight), f32(ln.bias), rows);
  LinearArgs args;
  args.x = rows.view();
  args.m = rows.n_rows();
  float* first = f32(out);
  for (const PackedLinear::Block& block : packed(weight).blocks) {
    args.out.push_back(Destination::rows(first, DType::kFloat32, out.n_columns()));
    first += block.n;
  }
  linear(context_, packed(weight), args);
}

void CpuBackend::norm_linear(const Array& x, const LayerNorm& ln, const Linear& weight,
                             Rows& normal, Rows& out) const {
  Activations& rows = activations(normal);
  ops::layer_norm(context_, f32(x), f32(ln.weight), f32(ln.bias), rows);
  linear(context_, packed(weight), rows, Activation::kNone, activations(out));
}

void CpuBackend::norm_qkv(const Array& x, const LayerNorm& ln, const Linear& weight, Rows& normal,
                          Rows& q, const std::vector<KeysValuesPtr>& keys_values) const {
  Activations& rows = activations(normal);
  ops::layer_norm(context_, f32(x), f32(ln.weight), f32(ln.bias), rows);
  Tensor& queries = activations(q).written();
  const std::int64_t n = queries.shape()[1];
  const auto n_windows = static_cast<std::int64_t>(keys_values.size());
  LinearArgs args;
  args.m = rows.n_rows() / n_windows;
  for (std::int64_t window = 0; window < n_windows; ++window) {
    PackedKeysValues& of_window = packed(*keys_values[static_cast<std::size_t>(window)]);
    const std::int64_t first = window * args.m;
    void* to = static_cast<char*>(queries.raw()) +
               first * n * static_cast<std::int64_t>(size_of(queries.dtype()));
    args.x = rows.view().from(first);
    args.out = {Destination::rows(to, queries.dtype(), n), of_window.keys(), of_window.values()};
    linear(context_, packed(weight), args);
  }
}

void CpuBackend::add_linear(const Rows& in, const Linear& weight, Array& x) const {
  ops::add_linear(context_, packed(weight), activations(in), f32(x));
}

void CpuBackend::add_mlp(const LayerNorm& ln, const Linear& up, const Linear& down,
                         MlpScratch& scratch, Array& x) const {
  auto& [normal, hidden] = static_cast<CpuMlpScratch&>(scratch);
  for (std::int64_t first = 0; first < x.n_rows(); first += normal.capacity()) {
    float* rows = f32(x) + first * x.n_columns();
    const std::int64_t n_rows = std::min(normal.capacity(), x.n_rows() - first);
    normal.use_rows(n_rows);
    hidden.use_rows(n_rows);
    ops::layer_norm(context_, rows, f32(ln.weight), f32(ln.bias), normal);
    linear(context_, packed(up), normal, Activation::kGelu, hidden);
    ops::add_linear(context_, packed(down), hidden, rows);
  }
}

void CpuBackend::frames(const std::vector<TensorView>& mels, Array& out) const {
  const std::int64_t n_rows = out.shape()[1];
  const std::int64_t row_bytes = out.n_columns() * static_cast<std::int64_t>(size_of(out.dtype()));
  auto* window = static_cast<char*>(raw(out));
  for (const TensorView& mel : mels) {
    std::memset(window, 0, static_cast<std::size_t>(row_bytes));
    transpose_frames(context_, mel, n_rows - 2, out.dtype(), window + row_bytes);
    window += n_rows * row_bytes;
    std::memset(window - row_bytes, 0, static_cast<std::size_t>(row_bytes));
  }
}

// A GEMM a window: the three taps of one output position are one contiguous row of 3 k elements,
// and the stride is the distance between rows.
void CpuBackend::convolve(const Linear& weight, const Array& in, std::int64_t stride,
                          const Array* residual, Array& out) const {
  const auto in_row = in.n_columns() * static_cast<std::int64_t>(size_of(in.dtype()));
  const auto out_row = out.n_columns() * static_cast<std::int64_t>(size_of(out.dtype()));
  LinearArgs args;
  args.m = (in.shape()[1] - 2) / stride;
  args.activation = Activation::kGelu;
  if (residual) {
    args.residual = f32(*residual);
    args.residual_stride = residual->n_columns();
  }
  const std::int64_t padding = (out.shape()[1] - args.m) / 2;
  for (std::int64_t window = 0; window < in.shape()[0]; ++window) {
    args.x = {static_cast<const char*>(raw(in)) + window * in.shape()[1] * in_row, stride * in_row};
    void* to = static_cast<char*>(raw(out)) + (window * out.shape()[1] + padding) * out_row;
    args.out = {Destination::rows(to, out.dtype(), out.n_columns())};
    linear(context_, packed(weight), args);
  }
}

std::size_t CpuBackend::attend_to_window(const std::vector<KeysValuesPtr>& keys_values,
                                         std::int64_t n_head, const Rows& q, Rows& out) const {
  std::vector<AttentionGroup> groups;
  const std::int64_t n_rows =
      activations(q).n_rows() / static_cast<std::int64_t>(keys_values.size());
  for (const KeysValuesPtr& of_window : keys_values) {
    const auto window = static_cast<std::int64_t>(groups.size());
    groups.push_back({&packed(*of_window), window * n_rows, n_rows});
  }
  return attend(groups, n_head, q, out, {});
}

std::size_t CpuBackend::attend(const std::vector<AttentionGroup>& groups, std::int64_t n_head,
                               const Rows& q, Rows& out, const KeptScores& kept) const {
  AttentionArgs args;
  args.groups = groups;
  args.q = &activations(q);
  args.out = &activations(out);
  args.n_head = n_head;
  args.d_head = args.q->n() / n_head;
  args.kept = kept;
  return attention(context_, args);
}

void CpuBackend::convert(const Array& x, Rows& out) const {
  ops::convert(context_, f32(x), x.n_columns(), activations(out));
}

void CpuBackend::project_keys_values(const Linear& weight, const Rows& audio,
                                     KeysValues& out) const {
  ops::project_keys_values(context_, packed(weight), activations(audio).view(), packed(out));
}

void CpuBackend::choose(Array& logits, const std::vector<ChoiceQuery>& queries,
                        std::vector<Choice>& choices) const {
  ops::choose(context_, f32(logits), logits.n_columns(), queries, choices);
}

}  // namespace sottovoce::ops
