// The per-token loop over windows side by side. All live rows of all windows share each forward
// pass; rules and search then look at one window at a time, so no window can tell who its
// neighbours are.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <sottovoce/decoding.h>

#include "check_options.h"
#include "decoder_state.h"
#include "elapsed.h"
#include "log_softmax.h"
#include "logit_rules.h"
#include "model_impl.h"
#include "search.h"

namespace sottovoce {
namespace {

// One window on its way: what it was asked, where its rows stand and how far it has come.
class Window {
 public:
  Window(const DecodingOptions& options, const ModelDims& dims, int first_row)
      : options_(options),
        rules_(options, dims.n_vocab),
        search_(make_search(options)),
        first_row_(first_row),
        n_vocab_(dims.n_vocab),
        max_steps_(std::min(options.sample_len, dims.n_text_ctx - n_initial() + 1)) {}

  // The last step may fill position n_text_ctx, which is never fed.
  bool is_over() const { return n_steps_ == max_steps_ || search_->live().empty(); }

  void feed(std::vector<std::vector<int>>& tokens, std::vector<std::vector<int>>& logits_at) const;
  // Logits that feed() asked for, (rows, n_vocab). Returns how many rows it read.
  int advance(const ops::Context& context, float* logits);
  void place_sources(std::vector<int>& sources) const;
  DecodingResult finish();

  int n_chosen() const { return n_chosen_; }

 private:
  int n_initial() const { return static_cast<int>(options_.initial_tokens.size()); }
  int n_sot_rows() const { return n_steps_ == 0 && options_.sot_index + 1 < n_initial() ? 1 : 0; }

  const DecodingOptions& options_;
  LogitRules rules_;
  std::unique_ptr<Search> search_;
  int first_row_;
  std::int64_t n_vocab_;
  int max_steps_;
  int n_steps_ = 0;
  int n_chosen_ = 0;
  float no_speech_prob_ = 0.0f;
};

void Window::feed(std::vector<std::vector<int>>& tokens,
                  std::vector<std::vector<int>>& logits_at) const {
  const auto first_row = static_cast<std::size_t>(first_row_);
  if (n_steps_ == 0) {
    tokens[first_row] = options_.initial_tokens;
    logits_at[first_row] = {n_initial() - 1};
    if (n_sot_rows() > 0) logits_at[first_row] = {options_.sot_index, n_initial() - 1};
    return;
  }
  for (const int row : search_->live()) {
    tokens[first_row + static_cast<std::size_t>(row)] = {search_->hypothesis(row).tokens.back()};
    logits_at[first_row + static_cast<std::size_t>(row)] = {0};
  }
}

int Window::advance(const ops::Context& context, float* logits) {
  const int n_rows = n_sot_rows() + static_cast<int>(search_->live().size());
  if (n_steps_ == 0) {
    const LogSoftmax at_sot(context, logits, n_vocab_);
    no_speech_prob_ = std::exp(at_sot(logits[options_.special.no_speech]));
    logits += n_sot_rows() * n_vocab_;
  }
  float* row_logits = logits;
  for (const int row : search_->live()) {
    rules_.apply(context, search_->hypothesis(row).tokens, row_logits);
    row_logits += n_vocab_;
  }
  n_chosen_ += search_->advance(context, logits, n_vocab_);
  ++n_steps_;
  return n_rows;
}

void Window::place_sources(std::vector<int>& sources) const {
  for (std::size_t row = 0; row < search_->sources().size(); ++row) {
    sources[static_cast<std::size_t>(first_row_) + row] = first_row_ + search_->sources()[row];
  }
}

DecodingResult Window::finish() {
  std::vector<Hypothesis> candidates = search_->finish();
  Hypothesis& best = candidates[rank(candidates, options_.length_penalty)];
  DecodingResult result;
  result.sum_logprob = best.sum_logprob;
  result.avg_logprob = static_cast<float>(static_cast<double>(best.sum_logprob) /
                                          static_cast<double>(best.tokens.size() + 1));
  result.tokens = std::move(best.tokens);
  result.no_speech_prob = no_speech_prob_;
  result.temperature = options_.temperature;
  return result;
}

// The windows, the decoder they share and the buffers that go round with every step.
class DecodeLoop {
 public:
  DecodeLoop(const Model& model, const std::vector<AudioFeatures>& features,
             const std::vector<DecodingOptions>& options)
      : context_(model.impl().context),
        rows_per_window_(most_rows(options)),
        state_(model.new_state(features, rows_per_window_ * static_cast<int>(features.size()))),
        logits_({std::max(2, rows_per_window_) * static_cast<std::int64_t>(features.size()),
                 model.dims().n_vocab}) {
    for (const DecodingOptions& of_window : options) {
      const int first_row = rows_per_window_ * static_cast<int>(windows_.size());
      windows_.emplace_back(of_window, model.dims(), first_row);
    }
  }

  std::vector<DecodingResult> run() {
    auto start = std::chrono::steady_clock::now();
    step();
    metrics_.decoder_prefill_ms = ms_since(start);
    while (!is_over()) {
      start = std::chrono::steady_clock::now();
      step();
      metrics_.decoder_token_ms.add(ms_since(start));
    }
    return finish();
  }

  const Metrics& metrics() const { return metrics_; }
  double cross_kv_ms() const { return state_.impl().cross_kv_ms; }

 private:
  static int most_rows(const std::vector<DecodingOptions>& options);
  bool is_over() const {
    return std::all_of(windows_.begin(), windows_.end(),
                       [](const Window& w) { return w.is_over(); });
  }
  void step();
  void rearrange();
  std::vector<DecodingResult> finish();

  const ops::Context& context_;
  int rows_per_window_;
  DecoderState state_;
  Tensor logits_;  // (windows * max(2, rows_per_window), n_vocab); a prompt wants two rows
  std::vector<Window> windows_;
  std::vector<std::vector<int>> tokens_;     // by row: what the next pass feeds
  std::vector<std::vector<int>> logits_at_;  // by row: where it wants logits
  std::vector<int> sources_;                 // by row
  Metrics metrics_;
};

// Every window gets the rows of the widest one; rows that nobody feeds cost nothing.
int DecodeLoop::most_rows(const std::vector<DecodingOptions>& options) {
  int most = 1;
  for (const DecodingOptions& of_window : options) most = std::max(most, n_rows_of(of_window));
  return most;
}

// Feed every live row, mask its logits, choose, and let the chosen rows take over their pasts.
void DecodeLoop::step() {
  tokens_.assign(static_cast<std::size_t>(state_.n_rows()), {});
  logits_at_.assign(static_cast<std::size_t>(state_.n_rows()), {});
  for (const Window& window : windows_) {
    if (!window.is_over()) window.feed(tokens_, logits_at_);
  }
  state_.impl().forward(tokens_, logits_at_, logits_.data());
  sources_.resize(static_cast<std::size_t>(state_.n_rows()));
  for (std::size_t row = 0; row < sources_.size(); ++row) sources_[row] = static_cast<int>(row);
  float* logits = logits_.data();
  for (Window& window : windows_) {
    if (window.is_over()) continue;
    logits += window.advance(context_, logits) * logits_.shape()[1];
    if (!window.is_over()) window.place_sources(sources_);
  }
  rearrange();
}

void DecodeLoop::rearrange() {
  for (std::size_t row = 0; row < sources_.size(); ++row) {
    if (sources_[row] != static_cast<int>(row)) {
      state_.rearrange(sources_);
      return;
    }
  }
}

std::vector<DecodingResult> DecodeLoop::finish() {
  std::vector<DecodingResult> results;
  for (Window& window : windows_) {
    metrics_.tokens += static_cast<std::uint64_t>(window.n_chosen());
    results.push_back(window.finish());
  }
  metrics_.decode_calls = windows_.size();
  metrics_.merge(state_.impl().metrics);
  return results;
}

}  // namespace

std::vector<DecodingResult> decode(const Model& model, const std::vector<AudioFeatures>& features,
                                   const std::vector<DecodingOptions>& options, Metrics* metrics) {
  if (features.size() != options.size()) {
    throw ShapeError("decode: features and options must be as many, got " +
                     std::to_string(features.size()) + " and " + std::to_string(options.size()));
  }
  for (const DecodingOptions& of_window : options) check_options(of_window, model.dims());
  if (features.empty()) return {};
  DecodeLoop loop(model, features, options);
  std::vector<DecodingResult> results = loop.run();
  model.impl().record(loop.metrics());
  if (metrics != nullptr) {
    metrics->merge(loop.metrics());
    metrics->cross_kv_ms += loop.cross_kv_ms();  // the model's total has it from new_state
  }
  return results;
}

}  // namespace sottovoce
