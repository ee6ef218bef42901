#include "window.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <sottovoce/error.h>

#include "log_softmax.h"

namespace sottovoce {

Window::Window(std::uint64_t id, const DecodingOptions& options, const ModelDims& dims,
               int first_row)
    : id_(id),
      options_(options),
      rules_(options, dims.n_vocab),
      search_(make_search(options)),
      first_row_(first_row),
      n_vocab_(dims.n_vocab),
      max_steps_(std::min(options.sample_len, dims.n_text_ctx - n_initial() + 1)) {}

void Window::feed(std::vector<std::vector<int>>& tokens,
                  std::vector<std::vector<WantedLogits>>& logits_at) const {
  const auto first_row = static_cast<std::size_t>(first_row_);
  if (is_new()) {
    tokens[first_row] = options_.initial_tokens;
    if (n_sot_rows() > 0) {
      const int first = rules_.first_possible({});
      logits_at[first_row] = {{options_.sot_index, 0}, {n_initial() - 1, first}};
    } else {  // these logits are also those of sot, which no rule touches
      logits_at[first_row] = {{n_initial() - 1, 0}};
    }
    return;
  }
  for (const int row : search_->live()) {
    const std::vector<int>& said = search_->hypothesis(row).tokens;
    tokens[first_row + static_cast<std::size_t>(row)] = {said.back()};
    logits_at[first_row + static_cast<std::size_t>(row)] = {{0, rules_.first_possible(said)}};
  }
}

void Window::look(const ops::Context& context, int index, float* logits) noexcept {
  const int row = search_->live()[static_cast<std::size_t>(index)];
  float* const of_row = logits + (n_sot_rows() + index) * n_vocab_;
  if (is_new()) {  // one row, and before any rule
    const LogSoftmax at_sot(context, logits, n_vocab_);
    no_speech_prob_ = std::exp(at_sot(logits[options_.special.no_speech]));
  }
  rules_.apply(context, search_->hypothesis(row).tokens, of_row);
  search_->look(context, static_cast<std::size_t>(index), of_row, n_vocab_);
}

void Window::advance(const ops::Context& context, const float* logits) {
  try {
    const int n_chosen = search_->advance(context, logits + n_sot_rows() * n_vocab_, n_vocab_);
    metrics.tokens += static_cast<std::uint64_t>(n_chosen);
  } catch (const ShapeError& error) {  // this window's options; its neighbours go on
    error_ = error.what();
  }
  ++n_steps_;
}

void Window::count(double ms) {
  if (n_steps_ == 1) {
    metrics.decoder_prefill_ms += ms;
  } else {
    metrics.decoder_token_ms.add(ms);
  }
}

void Window::place_sources(std::vector<int>& sources) const {
  for (std::size_t row = 0; row < search_->sources().size(); ++row) {
    sources[static_cast<std::size_t>(first_row_) + row] = first_row_ + search_->sources()[row];
  }
}

FinishedWindow Window::finish(const Metrics& decoder) {
  metrics.decode_calls = 1;
  metrics.merge(decoder);
  FinishedWindow finished;
  finished.id = id_;
  finished.error = error_;
  finished.metrics = metrics;
  if (error_.empty()) finished.result = result();
  return finished;
}

DecodingResult Window::result() {
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

}  // namespace sottovoce
