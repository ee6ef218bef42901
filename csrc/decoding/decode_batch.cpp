// The per-token loop over slots of windows. All live rows of all windows share each forward pass;
// rules and search then look at one window at a time.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <utility>

#include <sottovoce/decoding.h>
#include <sottovoce/error.h>

#include "check_options.h"
#include "decoder_state.h"
#include "elapsed.h"
#include "fork_lock.h"
#include "interruption.h"
#include "model_impl.h"
#include "page_table.h"
#include "plain_arithmetic.h"
#include "turn.h"
#include "window.h"

namespace sottovoce {
namespace {

constexpr const char* kBusy =
    "DecodeBatch: another thread is using this batch; make one for each thread";

// Rows that a batch of this size has in all.
int checked_n_rows(int n_slots, int rows_per_slot) {
  if (n_slots >= 1 && rows_per_slot >= 1 && n_slots <= PageTable::kMostRows / rows_per_slot) {
    return n_slots * rows_per_slot;
  }
  throw ShapeError(
      "DecodeBatch: n_slots and rows_per_slot must be at least 1, their product at "
      "most " +
      std::to_string(PageTable::kMostRows) + ", got " + std::to_string(n_slots) + " and " +
      std::to_string(rows_per_slot));
}

// scores (heads, looks, n_ctx) by look.
std::vector<Attention> by_token(const Tensor& scores) {
  const std::int64_t n_heads = scores.shape()[0];
  const std::int64_t n_looks = scores.shape()[1];
  const std::int64_t n_ctx = scores.shape()[2];
  std::vector<Attention> seen;
  for (std::int64_t look = 0; look < n_looks; ++look) {
    Tensor of_token({n_heads, n_ctx});
    for (std::int64_t head = 0; head < n_heads; ++head) {
      std::copy_n(scores.data() + (head * n_looks + look) * n_ctx, n_ctx,
                  of_token.data() + head * n_ctx);
    }
    seen.push_back(std::make_shared<const Tensor>(std::move(of_token)));
  }
  return seen;
}

}  // namespace

struct DecodeBatch::Impl {
  Impl(const Model& model_of_batch, int n_slots, int rows_per_slot)
      : rows_per_slot_(rows_per_slot),
        state_(model_of_batch.impl().shared_from_this(), n_slots,
               checked_n_rows(n_slots, rows_per_slot)),
        n_free_(n_slots),
        windows_(static_cast<std::size_t>(n_slots)),
        logits_(state_.model->backend->reserve(
            {std::max(2, rows_per_slot) * static_cast<std::int64_t>(n_slots),
             state_.model->dims.n_vocab})) {}

  std::uint64_t submit(const AudioFeatures& features, const DecodingOptions& options);
  std::vector<FinishedWindow> advance(int max_passes);

  int n_slots() const { return static_cast<int>(windows_.size()); }
  int rows_per_slot() const { return rows_per_slot_; }
  int n_free() const { return n_free_; }
  Metrics metrics() const {
    const ForkLock lock(metrics_mutex_);
    return metrics_;
  }

 private:
  void check(const AudioFeatures& features, const DecodingOptions& options) const;
  // One pass; its time goes to `call` and to the windows that took part.
  void pass(Metrics& call);
  void feed();
  void forward();
  void choose();
  void rearrange();
  std::vector<FinishedWindow> collect(Metrics& call);
  void record(const Metrics& call);

  int rows_per_slot_;
  DecoderState::Impl state_;
  std::atomic<int> n_free_;
  std::atomic<bool> busy_{false};
  std::vector<std::unique_ptr<Window>> windows_;  // by slot; null: free
  ops::Array logits_;         // (n_slots * max(2, rows_per_slot), n_vocab); a prompt wants two rows
  std::vector<Fed> fed_;      // by the next pass
  std::vector<int> sources_;  // by row
  std::vector<ops::ChoiceQuery> queries_;  // one a row of logits
  std::vector<ops::Choice> choices_;       // by query
  std::uint64_t next_id_ = 0;
  mutable ForkMutex metrics_mutex_;
  Metrics metrics_;
};

void DecodeBatch::Impl::check(const AudioFeatures& features, const DecodingOptions& options) const {
  if (n_free_ == 0) {
    throw StateError("submit: all n_slots=" + std::to_string(n_slots()) +
                     " slots are taken; advance() until a window finishes");
  }
  check_options(options, state_.model->dims);
  if (n_rows_of(options) > rows_per_slot_) {
    throw ShapeError("submit: beam_size and best_of must be at most rows_per_slot=" +
                     std::to_string(rows_per_slot_) + ", got " +
                     std::to_string(n_rows_of(options)));
  }
  state_.model->check_features("decode", features);
}

std::uint64_t DecodeBatch::Impl::submit(const AudioFeatures& features,
                                        const DecodingOptions& options) {
  const Turn turn(busy_, kBusy);
  const PlainArithmetic plain;
  check(features, options);
  const auto slot =
      static_cast<int>(std::find(windows_.begin(), windows_.end(), nullptr) - windows_.begin());
  auto window =
      std::make_unique<Window>(next_id_, options, state_.model->dims, slot * rows_per_slot_);
  Metrics call;
  call.cross_kv_ms = state_.listen(slot, features);
  window->metrics.cross_kv_ms = call.cross_kv_ms;
  windows_[static_cast<std::size_t>(slot)] = std::move(window);
  --n_free_;
  record(call);
  return next_id_++;
}

std::vector<FinishedWindow> DecodeBatch::Impl::advance(int max_passes) {
  const Turn turn(busy_, kBusy);
  const PlainArithmetic plain;
  if (max_passes < 0) {
    throw ShapeError("advance: max_passes must be at least 0, got " + std::to_string(max_passes));
  }
  std::vector<FinishedWindow> finished;
  if (n_free_ == n_slots()) return finished;
  Metrics call;
  int n_passes = 0;
  do {
    pass(call);
    finished = collect(call);
  } while (finished.empty() && ++n_passes != max_passes);
  call.merge(state_.metrics);
  record(call);
  return finished;
}

void DecodeBatch::Impl::pass(Metrics& call) {
  check_interruption();  // whatever the back end does
  const auto start = std::chrono::steady_clock::now();
  const bool feeds_prompt = std::any_of(windows_.begin(), windows_.end(), [](const auto& window) {
    return window && window->is_new();
  });
  feed();
  forward();
  choose();
  rearrange();
  const double ms = ms_since(start);
  if (feeds_prompt) {
    call.decoder_prefill_ms += ms;
  } else {
    call.decoder_token_ms.add(ms);
  }
  for (const auto& window : windows_) {
    if (window) window->count(ms);
  }
}

void DecodeBatch::Impl::feed() {
  fed_.clear();
  for (const auto& window : windows_) {
    if (window) window->feed(fed_);
  }
}

// Windows that keep the attention of their tokens are told what it was.
void DecodeBatch::Impl::forward() {
  int n_looks = 0;
  for (const auto& window : windows_) n_looks += window ? window->n_looks() : 0;
  if (n_looks == 0) return state_.forward(fed_, logits_);
  const Model::Impl& model = *state_.model;
  ops::Look look = model.look(model.alignment_heads, false, static_cast<std::size_t>(n_looks));
  state_.forward(fed_, logits_, &look);
  const std::vector<Attention> seen = by_token(model.backend->take(look.out));
  const Attention* of_window = seen.data();
  for (const auto& window : windows_) {
    if (!window) continue;
    const int n_seen = window->n_looks();
    window->keep(of_window);
    of_window += n_seen;
  }
}

// Every window asks about its logits, chooses, and says which rows continue which pasts.
void DecodeBatch::Impl::choose() {
  queries_.clear();
  for (const auto& window : windows_) {
    if (!window) continue;
    const auto first_logits = static_cast<std::int64_t>(queries_.size());
    window->filter(*state_.model->backend, first_logits, logits_);
    window->ask(first_logits, queries_);
  }
  state_.model->backend->choose(logits_, queries_, choices_);
  sources_.resize(static_cast<std::size_t>(state_.n_rows()));
  std::iota(sources_.begin(), sources_.end(), 0);
  const ops::Choice* of_window = choices_.data();
  for (const auto& window : windows_) {
    if (!window) continue;
    const int n_logits = window->n_logits();
    window->advance(of_window);
    if (!window->is_over()) window->place_sources(sources_);
    of_window += n_logits;
  }
}

void DecodeBatch::Impl::rearrange() {
  for (std::size_t row = 0; row < sources_.size(); ++row) {
    if (sources_[row] != static_cast<int>(row)) {
      state_.rearrange(sources_);
      return;
    }
  }
}

std::vector<FinishedWindow> DecodeBatch::Impl::collect(Metrics& call) {
  std::vector<FinishedWindow> finished;
  for (std::size_t slot = 0; slot < windows_.size(); ++slot) {
    if (!windows_[slot] || !windows_[slot]->is_over()) continue;
    finished.push_back(windows_[slot]->finish(state_.metrics));
    call.tokens += finished.back().metrics.tokens;
    ++call.decode_calls;
    windows_[slot].reset();
    state_.forget(static_cast<int>(slot));
    ++n_free_;
  }
  return finished;
}

void DecodeBatch::Impl::record(const Metrics& call) {
  {
    const ForkLock lock(metrics_mutex_);
    metrics_.merge(call);
  }
  state_.model->record(call);
}

DecodeBatch::DecodeBatch(const Model& model, int n_slots, int rows_per_slot)
    : impl_(std::make_unique<Impl>(model, n_slots, rows_per_slot)) {}
DecodeBatch::DecodeBatch(DecodeBatch&&) noexcept = default;
DecodeBatch& DecodeBatch::operator=(DecodeBatch&&) noexcept = default;
DecodeBatch::~DecodeBatch() = default;

int DecodeBatch::n_slots() const { return impl_->n_slots(); }
int DecodeBatch::rows_per_slot() const { return impl_->rows_per_slot(); }
int DecodeBatch::n_free() const { return impl_->n_free(); }
Metrics DecodeBatch::metrics() const { return impl_->metrics(); }

std::uint64_t DecodeBatch::submit(const AudioFeatures& features, const DecodingOptions& options) {
  return impl_->submit(features, options);
}

std::vector<FinishedWindow> DecodeBatch::advance(int max_passes) {
  return impl_->advance(max_passes);
}

}  // namespace sottovoce
