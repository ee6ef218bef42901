// The back end's verbs out of those in verbs.h.
#include "cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "parallel.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

const PackedLinear& packed(const Linear& weight) {
  return static_cast<const PackedLinear&>(weight);
}

Activations& activations(Rows& rows) { return static_cast<Activations&>(rows); }
const Activations& activations(const Rows& rows) { return static_cast<const Activations&>(rows); }

// The plan, and where every past position of the rows in use stands in layer 0 of the arena.
struct CpuStep final : Step {
  struct Past {
    std::vector<const float*> keys;    // (n_past)
    std::vector<const float*> values;  // (n_past)
  };
  const StepPlan* plan = nullptr;
  float* keys = nullptr;    // the arena's
  float* values = nullptr;  // the arena's
  std::int64_t n_rows = 0;  // of the arena
  std::int64_t n_state = 0;
  std::int64_t layer_stride = 0;  // elements
  std::vector<Past> pasts;        // by row; empty: not in use

  std::int64_t offset(int position, int column) const {
    return (std::int64_t{position} * n_rows + column) * n_state;
  }
};

const CpuStep& cpu_step(const Step& step) { return static_cast<const CpuStep&>(step); }

}  // namespace

CpuBackend::CpuBackend(const RuntimeOptions& options, std::unique_ptr<HostMemory> memory)
    : memory_(std::move(memory)),
      threads_(make_threads(options.threading, options.n_threads)),
      context_(make_context(options.isa, *threads_)) {
  context_.memory = memory_.get();
}

Array CpuBackend::adopt(Tensor tensor) {
  const Shape shape = tensor.shape();
  const DType dtype = tensor.dtype();
  return make_array(std::move(tensor).release(), shape, dtype);
}

TensorView CpuBackend::view(const Array& array) {
  return {raw(array), array.dtype(), array.shape()};
}

// One window's layers are tasks enough for four threads to share evenly, and leave its activations
// in the caches; with more threads, windows side by side are.
int CpuBackend::windows_at_once() const {
  constexpr int kThreadsOfWindow = 4;
  constexpr int kMost = 4;
  return std::min(std::max(threads_->n_threads() / kThreadsOfWindow, 1), kMost);
}

std::int64_t CpuBackend::mlp_rows() const { return 300; }  // of 1500, in whole register tiles

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

Tensor CpuBackend::download(const Array& source, std::int64_t first_row,
                            std::int64_t n_rows) const {
  const std::int64_t n = source.n_columns();
  const std::size_t row_bytes = static_cast<std::size_t>(n) * size_of(source.dtype());
  const auto* from =
      static_cast<const char*>(raw(source)) + static_cast<std::size_t>(first_row) * row_bytes;
  return copy_of({context_.kernels, context_.threads}, {from, source.dtype(), {n_rows, n}});
}

Tensor CpuBackend::take(Array source) const {
  return Tensor::over(memory_of(source), source.shape(), source.dtype());
}

LinearPtr CpuBackend::pack_linear(DType dtype, const std::vector<LinearBlock>& blocks) const {
  return std::make_unique<PackedLinear>(ops::pack_linear(context_, dtype, blocks));
}

LinearPtr CpuBackend::pack_conv1d(DType dtype, const TensorView& weight,
                                  const TensorView& bias) const {
  return std::make_unique<PackedLinear>(ops::pack_conv1d(context_, dtype, weight, bias));
}

RowsPtr CpuBackend::rows(std::int64_t n_rows, std::int64_t n, DType dtype) const {
  return std::make_unique<Activations>(context_, n_rows, n, dtype);
}

KeysValuesPtr CpuBackend::keys_values(DType dtype, std::int64_t n_ctx, std::int64_t n_head,
                                      std::int64_t d_head) const {
  return std::make_unique<PackedKeysValues>(context_, dtype, n_ctx, n_head, d_head);
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
    auto& of_window =
        static_cast<PackedKeysValues&>(*keys_values[static_cast<std::size_t>(window)]);
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

void CpuBackend::add_mlp(const LayerNorm& ln, const Linear& up, const Linear& down, Rows& normal,
                         Rows& hidden, Array& x) const {
  Activations& rows = activations(normal);
  const std::int64_t block = rows.n_rows();
  for (std::int64_t first = 0; first < x.n_rows(); first += block) {
    float* of_block = f32(x) + first * x.n_columns();
    rows.use_rows(std::min(block, x.n_rows() - first));
    activations(hidden).use_rows(rows.n_rows());
    ops::layer_norm(context_, of_block, f32(ln.weight), f32(ln.bias), rows);
    linear(context_, packed(up), rows, Activation::kGelu, activations(hidden));
    ops::add_linear(context_, packed(down), activations(hidden), of_block);
  }
  rows.use_rows(block);
}

std::size_t CpuBackend::attention(const std::vector<AttentionGroup>& groups, std::int64_t n_head,
                                  const Rows& q, Rows& out) const {
  AttentionArgs args;
  args.groups = groups;
  args.q = &activations(q);
  args.out = &activations(out);
  args.n_head = n_head;
  args.d_head = args.q->n() / n_head;
  return ops::attention(context_, args);
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

void CpuBackend::convert(const Array& x, Rows& out) const {
  ops::convert(context_, f32(x), x.n_columns(), activations(out));
}

void CpuBackend::project_keys_values(const Linear& weight, const Rows& audio,
                                     KeysValues& out) const {
  ops::project_keys_values(context_, packed(weight), activations(audio).view(),
                           static_cast<PackedKeysValues&>(out));
}

std::unique_ptr<Step> CpuBackend::prepare(const StepPlan& plan, KVArena& arena) const {
  auto step = std::make_unique<CpuStep>();
  step->plan = &plan;
  step->keys = f32(arena.keys);
  step->values = f32(arena.values);
  step->n_rows = arena.keys.shape()[2];
  step->n_state = arena.keys.shape()[3];
  step->layer_stride = arena.keys.size() / arena.keys.shape()[0];
  step->pasts.resize(static_cast<std::size_t>(step->n_rows));
  for (const StepPlan::Input& input : plan.inputs) {
    CpuStep::Past& past = step->pasts[static_cast<std::size_t>(input.row)];
    for (int pos = static_cast<int>(past.keys.size()); pos <= input.position; ++pos) {
      const std::int64_t offset = step->offset(pos, plan.column(input.row, pos));
      past.keys.push_back(step->keys + offset);
      past.values.push_back(step->values + offset);
    }
  }
  return step;
}

void CpuBackend::embed(const Step& step, const Embedding& embedding, const Array& positions,
                       Array& x) const {
  const std::int64_t n = x.n_columns();
  const TensorView rows = view(embedding.rows);
  float* out = f32(x);
  for (const StepPlan::Input& input : cpu_step(step).plan->inputs) {
    if (embedding.rows.empty()) {
      packed(*embedding.linear).unpack_row(input.token, out);
    } else {
      read_row(context_, rows, input.token, out);
    }
    const float* position = f32(positions) + input.position * n;
    for (std::int64_t i = 0; i < n; ++i) out[i] += position[i];
    out += n;
  }
}

std::size_t CpuBackend::append_and_attend(const Step& step, std::int64_t layer, std::int64_t n_head,
                                          const Array& qkv, Rows& out) const {
  const CpuStep& of_pass = cpu_step(step);
  const std::int64_t n = of_pass.n_state;
  const std::int64_t layer_offset = layer * of_pass.layer_stride;
  const float* q = f32(qkv);
  std::vector<CachedRow> rows;
  rows.reserve(of_pass.plan->inputs.size());
  for (const StepPlan::Input& input : of_pass.plan->inputs) {
    const std::int64_t offset = layer_offset + of_pass.offset(input.position, input.column);
    std::copy_n(q + n, n, of_pass.keys + offset);
    std::copy_n(q + 2 * n, n, of_pass.values + offset);
    const CpuStep::Past& past = of_pass.pasts[static_cast<std::size_t>(input.row)];
    rows.push_back({q, past.keys.data(), past.values.data(), input.position + 1});
    q += 3 * n;
  }
  return cached_attention(context_, rows, layer_offset, n_head, n / n_head, activations(out));
}

void CpuBackend::attention_scores(const KeysValues& keys_values, const Rows& q, std::int64_t n_head,
                                  std::int64_t head, bool softmax, Array& out,
                                  std::int64_t index) const {
  const Activations& queries = activations(q);
  const std::int64_t n_ctx = out.n_columns();
  float* scores = f32(out) + index * queries.n_rows() * n_ctx;
  ops::attention_scores(context_, static_cast<const PackedKeysValues&>(keys_values), queries, head,
                        queries.n() / n_head, scores);
  if (softmax) softmax_rows(context_, scores, queries.n_rows(), n_ctx);
}

void CpuBackend::gather(const Array& x, const std::vector<std::int64_t>& rows, Array& out) const {
  const std::int64_t n = x.n_columns();
  float* to = f32(out);
  for (const std::int64_t row : rows) {
    std::copy_n(f32(x) + row * n, n, to);
    to += n;
  }
}

void CpuBackend::logits(const Array& hidden, const LayerNorm& ln, const Embedding& embedding,
                        const std::vector<int>& first, Array& out) const {
  const PackedLinear& weight = packed(*embedding.linear);
  Activations normal({context_.kernels, context_.threads}, hidden.n_rows(), hidden.n_columns(),
                     DType::kFloat32);
  ops::layer_norm(context_, f32(hidden), f32(ln.weight), f32(ln.bias), normal);
  project_logits(context_, weight, normal, first, f32(out));
  if (!embedding.rows.empty()) {
    rescore_best(context_, view(embedding.rows), normal, first, f32(out));
  }
}

void CpuBackend::choose(Array& logits, const std::vector<ChoiceQuery>& queries,
                        std::vector<Choice>& choices) const {
  ops::choose(context_, f32(logits), logits.n_columns(), queries, choices);
}

}  // namespace sottovoce::ops
