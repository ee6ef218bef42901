// DecoderState: rows of text over windows of audio. Checks at the door, then one decoder pass.
#include "decoder_state.h"

#include <algorithm>
#include <numeric>
#include <string>

#include <sottovoce/error.h>

#include "decoder.h"
#include "turn.h"

namespace sottovoce {

namespace {

constexpr const char* kBusy =
    "DecoderState: another thread is using this state; make one for each thread";

void check_fed(const ModelDims& dims, const PageTable& pages, const std::vector<Fed>& fed) {
  std::vector<int> n_new(static_cast<std::size_t>(pages.n_rows()), 0);
  for (const Fed& input : fed) {
    if (input.token < 0 || input.token >= dims.n_vocab) {
      throw ShapeError("step: token must be in 0..n_vocab-1=" + std::to_string(dims.n_vocab - 1) +
                       ", got " + std::to_string(input.token) + " in row " +
                       std::to_string(input.row));
    }
    ++n_new[static_cast<std::size_t>(input.row)];
  }
  for (int row = 0; row < pages.n_rows(); ++row) {
    const int n_past = pages.n_past(row);
    const int n_tokens = n_new[static_cast<std::size_t>(row)];
    if (n_past + n_tokens <= pages.n_ctx()) continue;
    const std::string n_ctx = std::to_string(pages.n_ctx());
    throw StateError(
        n_past == pages.n_ctx()
            ? "step: n_past=" + n_ctx + " has reached n_text_ctx=" + n_ctx + "; start a new state"
            : "step: n_past=" + std::to_string(n_past) + " and " + std::to_string(n_tokens) +
                  " more tokens pass n_text_ctx=" + n_ctx + "; feed fewer tokens");
  }
}

// Lists of tokens by row as a pass feeds them, with the logits after all of them or after each
// row's last.
std::vector<Fed> feed_lists(const std::vector<std::vector<int>>& tokens, int n_rows, bool all) {
  if (static_cast<int>(tokens.size()) != n_rows) {
    throw ShapeError("step: tokens must have one list a row, n_rows=" + std::to_string(n_rows) +
                     ", got " + std::to_string(tokens.size()));
  }
  std::vector<Fed> fed;
  for (int row = 0; row < n_rows; ++row) {
    const std::vector<int>& list = tokens[static_cast<std::size_t>(row)];
    for (const int token : list) fed.push_back({row, token, all ? 0 : -1});
    if (!list.empty()) fed.back().first_logit = 0;
  }
  return fed;
}

// Takes back the positions that a pass opened and did not fill.
class Opened {
 public:
  explicit Opened(PageTable& pages) : pages_(pages) {
    for (int row = 0; row < pages.n_rows(); ++row) before_.push_back(pages.n_past(row));
  }
  ~Opened() {
    for (std::size_t row = 0; row < before_.size(); ++row) {
      pages_.cut(static_cast<int>(row), before_[row]);
    }
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  void keep() { before_.clear(); }

 private:
  PageTable& pages_;
  std::vector<int> before_;  // by row
};

ops::KVArena reserve_arena(const ops::Backend& backend, const ModelDims& dims, int n_rows) {
  const Shape shape{dims.n_text_layer, dims.n_text_ctx, n_rows, dims.n_text_state};
  return {backend.reserve(shape), backend.reserve(shape)};
}

}  // namespace

DecoderState::Impl::Impl(std::shared_ptr<const Model::Impl> model_impl, int n_windows, int n_rows)
    : model(std::move(model_impl)),
      cross(static_cast<std::size_t>(n_windows)),
      rows_per_window(n_rows / n_windows),
      pages(model->dims.n_text_ctx, n_rows),
      arena(reserve_arena(*model->backend, model->dims, n_rows)) {
  for (int row = 0; row < n_rows; ++row) window_of_row.push_back(row / rows_per_window);
  metrics.kv_cache_bytes = arena.n_bytes();
}

double DecoderState::Impl::listen(int window, const AudioFeatures& features) {
  double spent_ms = 0.0;
  cross[static_cast<std::size_t>(window)] = model->cross_kv(features, spent_ms);
  std::uint64_t n_bytes = 0;
  for (const auto& of_window : cross) n_bytes += of_window ? of_window->n_bytes() : 0;
  metrics.cross_kv_bytes = std::max(metrics.cross_kv_bytes, n_bytes);
  return spent_ms;
}

void DecoderState::Impl::forget(int window) {
  cross[static_cast<std::size_t>(window)].reset();
  for (int row = window * rows_per_window; row < (window + 1) * rows_per_window; ++row) {
    pages.cut(row, 0);
  }
}

ops::StepPlan DecoderState::Impl::plan(const std::vector<Fed>& fed,
                                       std::vector<std::int64_t>& place) {
  std::vector<std::size_t> order(fed.size());  // a window's rows side by side
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return window_of(fed[a]) < window_of(fed[b]);
  });
  ops::StepPlan plan;
  plan.columns = pages.columns();
  plan.n_ctx = pages.n_ctx();
  place.resize(fed.size());
  for (const std::size_t i : order) {
    const Fed& input = fed[i];
    const int position = pages.n_past(input.row);
    pages.extend(input.row, 1);
    place[i] = static_cast<std::int64_t>(plan.inputs.size());
    plan.inputs.push_back(
        {input.row, input.token, position, pages.column(input.row, position), window_of(input)});
  }
  return plan;
}

void DecoderState::Impl::forward(const std::vector<Fed>& fed, ops::Array& logits,
                                 CrossAttentionProbe* probe) {
  const Turn turn(busy, kBusy);
  check_fed(model->dims, pages, fed);
  if (fed.empty()) return;
  Opened opened(pages);
  std::vector<std::int64_t> place;  // by index of `fed`
  const ops::StepPlan of_pass = plan(fed, place);
  const DecoderPass pass{*model->backend,
                         model->dims,
                         model->weights,
                         cross,
                         arena,
                         probe,
                         metrics.attention_scratch_bytes};
  const ops::Array x = decode_inputs(pass, of_pass);

  std::vector<std::int64_t> wanted;  // rows of x
  std::vector<int> first;            // the first id of each that counts
  for (std::size_t i = 0; i < fed.size(); ++i) {
    if (fed[i].first_logit < 0) continue;
    wanted.push_back(place[i]);
    first.push_back(fed[i].first_logit);
  }
  if (!wanted.empty()) {
    ops::Array hidden =
        model->backend->array({static_cast<std::int64_t>(wanted.size()), model->dims.n_text_state});
    model->backend->gather(x, wanted, hidden);
    model->backend->logits(hidden, model->weights.ln, model->weights.embedding, first, logits);
  }
  opened.keep();
}

void DecoderState::Impl::rearrange(const std::vector<int>& sources) {
  const Turn turn(busy, kBusy);
  if (static_cast<int>(sources.size()) != n_rows()) {
    throw ShapeError("rearrange: sources must have n_rows=" + std::to_string(n_rows()) +
                     " entries, got " + std::to_string(sources.size()));
  }
  for (int source : sources) {
    if (source < 0 || source >= n_rows()) {
      throw ShapeError("rearrange: a source must be in 0..n_rows-1=" +
                       std::to_string(n_rows() - 1) + ", got " + std::to_string(source));
    }
  }
  pages.rearrange(sources);
  const std::vector<int> old = window_of_row;
  for (std::size_t row = 0; row < sources.size(); ++row) {
    window_of_row[row] = old[static_cast<std::size_t>(sources[row])];
  }
}

DecoderState::DecoderState(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

int DecoderState::n_rows() const { return impl_->n_rows(); }

int DecoderState::n_past(int row) const {
  if (row < 0 || row >= n_rows()) {
    throw ShapeError("n_past: row must be in 0..n_rows-1=" + std::to_string(n_rows() - 1) +
                     ", got " + std::to_string(row));
  }
  const Turn turn(impl_->busy, kBusy);
  return impl_->n_past(row);
}

Tensor DecoderState::step(const std::vector<std::vector<int>>& tokens) {
  const std::vector<Fed> fed = feed_lists(tokens, n_rows(), false);
  std::vector<std::int64_t> rows;  // those that are fed
  for (const Fed& input : fed) {
    if (input.first_logit == 0) rows.push_back(input.row);
  }
  const std::int64_t n_vocab = impl_->model->dims.n_vocab;
  ops::Array logits =
      impl_->model->backend->reserve({static_cast<std::int64_t>(rows.size()), n_vocab});
  impl_->forward(fed, logits);
  Tensor dense = impl_->model->backend->take(std::move(logits));
  if (static_cast<int>(rows.size()) == n_rows()) return dense;
  Tensor spread = Tensor::zeros({n_rows(), n_vocab});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(dense.data() + static_cast<std::int64_t>(i) * n_vocab, n_vocab,
                spread.data() + rows[i] * n_vocab);
  }
  return spread;
}

Tensor DecoderState::step_all(const std::vector<std::vector<int>>& tokens) {
  const std::vector<Fed> fed = feed_lists(tokens, n_rows(), true);
  ops::Array logits = impl_->model->backend->reserve(
      {static_cast<std::int64_t>(fed.size()), impl_->model->dims.n_vocab});
  impl_->forward(fed, logits);
  return impl_->model->backend->take(std::move(logits));
}

void DecoderState::rearrange(const std::vector<int>& sources) { impl_->rearrange(sources); }

}  // namespace sottovoce
