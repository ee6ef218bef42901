// The back end's verbs of a decoder pass: a plan, the arena that it writes to, and who attends to
// what.
#include <algorithm>
#include <vector>

#include "casts.h"
#include "cpu_backend.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

// Memory of some positions at a time, as far as rows have come: a whole context of many rows of a
// large model would be gigabytes, most of which nobody comes to.
class CpuArena final : public KVArena {
 public:
  CpuArena(const CpuContext& context, std::int64_t n_layer, std::int64_t n_rows,
           std::int64_t n_state)
      : context_(context), n_layer_(n_layer), n_rows_(n_rows), n_state_(n_state) {}

  std::size_t n_bytes() const override {
    return keys_.empty() ? 0 : 2 * keys_.size() * keys_.front().n_bytes();
  }
  std::int64_t n_state() const { return n_state_; }
  std::int64_t layer_stride() const { return kPositions * n_rows_ * n_state_; }  // elements

  // Makes room for `position`.
  void reach(int position) {
    const auto n_needed = static_cast<std::size_t>(position / kPositions) + 1;
    const Shape shape{n_layer_, kPositions, n_rows_, n_state_};
    while (values_.size() < n_needed) {
      if (keys_.size() == values_.size()) keys_.push_back(make_tensor(context_, shape));
      values_.push_back(make_tensor(context_, shape));
    }
  }
  // Vectors of layer 0, (n_state); those of the layers above are layer_stride() apart.
  float* keys(int position, int column) { return at(keys_, position, column); }
  float* values(int position, int column) { return at(values_, position, column); }

 private:
  static constexpr std::int64_t kPositions = 32;

  float* at(std::vector<Tensor>& tensors, int position, int column) const {
    return tensors[static_cast<std::size_t>(position / kPositions)].data() +
           (position % kPositions * n_rows_ + column) * n_state_;
  }

  CpuContext context_;
  std::int64_t n_layer_;
  std::int64_t n_rows_;
  std::int64_t n_state_;
  std::vector<Tensor> keys_;    // each (n_layer, kPositions, n_rows, n_state)
  std::vector<Tensor> values_;  // likewise
};

// The plan, and what it means for this memory.
struct CpuStep final : Step {
  // Where every past position of a row stands in layer 0 of the arena.
  struct Past {
    std::vector<const float*> keys;    // (n_past)
    std::vector<const float*> values;  // (n_past)
  };
  // Inputs that hear one window: those from `first` on.
  struct Listeners {
    int window = 0;
    std::int64_t first = 0;
    std::int64_t n_inputs = 0;
  };
  const StepPlan* plan = nullptr;
  CpuArena* arena = nullptr;
  std::vector<Past> pasts;  // by row, as far as rows are fed; empty: not in use
  std::vector<Listeners> listeners;
};

const CpuStep& cpu_step(const Step& step) { return static_cast<const CpuStep&>(step); }

}  // namespace

std::unique_ptr<KVArena> CpuBackend::arena(std::int64_t n_layer, std::int64_t, std::int64_t n_rows,
                                           std::int64_t n_state) const {
  return std::make_unique<CpuArena>(context_, n_layer, n_rows, n_state);
}

std::unique_ptr<Step> CpuBackend::prepare(const StepPlan& plan, KVArena& arena) const {
  auto step = std::make_unique<CpuStep>();
  step->plan = &plan;
  step->arena = &static_cast<CpuArena&>(arena);
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    const StepPlan::Input& input = plan.inputs[i];
    const auto row = static_cast<std::size_t>(input.row);
    if (row >= step->pasts.size()) step->pasts.resize(row + 1);
    CpuStep::Past& past = step->pasts[row];
    step->arena->reach(input.position);
    for (int pos = static_cast<int>(past.keys.size()); pos <= input.position; ++pos) {
      const int column = plan.column(input.row, pos);
      past.keys.push_back(step->arena->keys(pos, column));
      past.values.push_back(step->arena->values(pos, column));
    }
    if (step->listeners.empty() || step->listeners.back().window != input.window) {
      step->listeners.push_back({input.window, static_cast<std::int64_t>(i), 0});
    }
    ++step->listeners.back().n_inputs;
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
  const auto& [plan, arena, pasts, listeners] = cpu_step(step);
  const std::int64_t n = arena->n_state();
  const std::int64_t layer_offset = layer * arena->layer_stride();
  const float* q = f32(qkv);
  std::vector<CachedRow> rows;
  rows.reserve(plan->inputs.size());
  for (const StepPlan::Input& input : plan->inputs) {
    std::copy_n(q + n, n, arena->keys(input.position, input.column) + layer_offset);
    std::copy_n(q + 2 * n, n, arena->values(input.position, input.column) + layer_offset);
    const CpuStep::Past& past = pasts[static_cast<std::size_t>(input.row)];
    rows.push_back({q, past.keys.data(), past.values.data(), input.position + 1});
    q += 3 * n;
  }
  return cached_attention(context_, rows, layer_offset, n_head, n / n_head, activations(out));
}

std::size_t CpuBackend::attend_to_audio(const Step& step, std::int64_t layer, std::int64_t n_head,
                                        const Rows& q, Rows& out, Look* look) const {
  const StepPlan& plan = *cpu_step(step).plan;
  std::vector<AttentionGroup> groups;
  for (const CpuStep::Listeners& of : cpu_step(step).listeners) {
    const auto& layers = *plan.audio[static_cast<std::size_t>(of.window)];
    groups.push_back({&packed(*layers[static_cast<std::size_t>(layer)]), of.first, of.n_inputs});
  }
  if (look == nullptr) return attend(groups, n_head, q, out, {});
  KeptScores kept;
  kept.n_ctx = look->out.n_columns();
  const std::int64_t n_looks = look->out.shape()[1];
  for (const StepPlan::Input& input : plan.inputs) kept.places.push_back(input.look);
  for (std::size_t i = 0; i < look->heads.size(); ++i) {
    if (look->heads[i].layer != layer) continue;
    float* scores = f32(look->out) + static_cast<std::int64_t>(i) * n_looks * kept.n_ctx;
    kept.heads.push_back({look->heads[i].head, scores});
  }
  const std::size_t n_bytes = attend(groups, n_head, q, out, kept);
  if (look->softmax) {
    for (const KeptScores::Head& of : kept.heads) {
      softmax_rows(context_, of.scores, n_looks, kept.n_ctx);
    }
  }
  return n_bytes;
}

void CpuBackend::logits(const Step& step, const Array& x, const LayerNorm& ln,
                        const Embedding& embedding, Array& out) const {
  const std::vector<StepPlan::Wanted>& wanted = cpu_step(step).plan->wanted;
  const auto n_rows = static_cast<std::int64_t>(wanted.size());
  const std::int64_t n = x.n_columns();
  Tensor hidden({n_rows, n});
  std::vector<int> first;  // the first token of each row that counts
  std::vector<int> first_computed;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::copy_n(f32(x) + wanted[i].input * n, n, hidden.data() + static_cast<std::int64_t>(i) * n);
    first.push_back(wanted[i].first_token);
    first_computed.push_back(wanted[i].is_complete ? 0 : wanted[i].first_token);
  }
  Activations normal(CpuContext(host()), n_rows, n, DType::kFloat32);
  ops::layer_norm(context_, hidden.data(), f32(ln.weight), f32(ln.bias), normal);
  project_logits(context_, packed(*embedding.linear), normal, first_computed, f32(out));
  if (!embedding.rows.empty()) {
    rescore_best(context_, view(embedding.rows), normal, first, f32(out));
  }
}

}  // namespace sottovoce::ops
