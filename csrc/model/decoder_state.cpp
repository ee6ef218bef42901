// DecoderState: rows of text over windows of audio. Checks at the door, then one decoder pass.
#include "decoder_state.h"

#include <algorithm>
#include <numeric>
#include <string>

#include <sottovoce/error.h>

#include "plain_arithmetic.h"
#include "turn.h"

namespace sottovoce {

namespace {

constexpr const char* kBusy =
    "DecoderState: another thread is using this state; make one for each thread";

[[noreturn]] void refuse_length(int n_past, int n_new, int n_text_ctx) {
  const std::string n_ctx = std::to_string(n_text_ctx);
  throw StateError(
      n_past == n_text_ctx
          ? "step: n_past=" + n_ctx + " has reached n_text_ctx=" + n_ctx + "; start a new state"
          : "step: n_past=" + std::to_string(n_past) + " and " + std::to_string(n_new) +
                " more tokens pass n_text_ctx=" + n_ctx + "; feed fewer tokens");
}

// Tokens of a row stand together: row after row is looked at, its tokens and then their number.
void check_fed(const ModelDims& dims, const PageTable& pages, const std::vector<Fed>& fed) {
  int n_new = 0;  // of the row
  for (std::size_t i = 0; i < fed.size(); ++i) {
    const int row = fed[i].row;
    if (fed[i].token < 0 || fed[i].token >= dims.n_vocab) {
      throw ShapeError("step: token must be in 0..n_vocab-1=" + std::to_string(dims.n_vocab - 1) +
                       ", got " + std::to_string(fed[i].token) + " in row " + std::to_string(row));
    }
    ++n_new;
    if (i + 1 < fed.size() && fed[i + 1].row == row) continue;
    if (pages.n_past(row) + n_new > pages.n_ctx()) {
      refuse_length(pages.n_past(row), n_new, pages.n_ctx());
    }
    n_new = 0;
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

}  // namespace

DecoderState::Impl::Impl(std::shared_ptr<const Model::Impl> model_impl, int n_windows, int n_rows)
    : model(std::move(model_impl)),
      cross(static_cast<std::size_t>(n_windows)),
      rows_per_window(n_rows / n_windows),
      pages(model->dims.n_text_ctx, n_rows),
      arena(model->backend->arena(model->dims.n_text_layer, model->dims.n_text_ctx, n_rows,
                                  model->dims.n_text_state)) {
  for (int row = 0; row < n_rows; ++row) window_of_row.push_back(row / rows_per_window);
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

ops::StepPlan DecoderState::Impl::plan(const std::vector<Fed>& fed) {
  const auto window_of = [&](std::size_t i) {
    return window_of_row[static_cast<std::size_t>(fed[i].row)];
  };
  std::vector<std::size_t> order(fed.size());  // a window's rows side by side
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return window_of(a) < window_of(b); });
  ops::StepPlan plan;
  std::vector<std::int64_t> place(fed.size());  // of fed[i] among the inputs
  for (const std::size_t i : order) {
    const int row = fed[i].row;
    const int position = pages.n_past(row);
    pages.extend(row, 1);
    place[i] = static_cast<std::int64_t>(plan.inputs.size());
    plan.inputs.push_back({row, fed[i].token, position, pages.column(row, position), window_of(i)});
  }
  int n_looks = 0;
  for (std::size_t i = 0; i < fed.size(); ++i) {
    if (fed[i].looks) plan.inputs[static_cast<std::size_t>(place[i])].look = n_looks++;
    if (fed[i].first_logit < 0) continue;
    plan.wanted.push_back({place[i], fed[i].first_logit, fed[i].is_complete});
  }
  plan.columns = pages.columns();
  plan.n_ctx = pages.n_ctx();
  for (const auto& of_window : cross) {
    plan.audio.push_back(of_window ? &of_window->layers : nullptr);
  }
  return plan;
}

void DecoderState::Impl::forward(const std::vector<Fed>& fed, ops::Array& logits, ops::Look* look) {
  const Turn turn(busy, kBusy);
  const PlainArithmetic plain;
  check_fed(model->dims, pages, fed);
  if (fed.empty()) return;
  const auto n_inputs = static_cast<std::int64_t>(fed.size());
  if (!workspace || workspace->n_inputs != n_inputs) {
    workspace.reset();  // before the next one is there
    workspace =
        std::make_unique<DecoderWorkspace>(*model->backend, model->dims, model->weights, n_inputs);
  }
  Opened opened(pages);
  const DecoderPass pass{*model->backend,
                         model->dims,
                         model->weights,
                         *arena,
                         *workspace,
                         look,
                         metrics.attention_scratch_bytes};
  decode_inputs(pass, plan(fed), logits);
  metrics.kv_cache_bytes = arena->n_bytes();
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
  Tensor dense = impl_->model->backend->take(logits);
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
  return impl_->model->backend->take(logits);
}

void DecoderState::rearrange(const std::vector<int>& sources) { impl_->rearrange(sources); }

}  // namespace sottovoce
