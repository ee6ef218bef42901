#include "window.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <sottovoce/error.h>

#include "filter_logits.h"

namespace sottovoce {

Window::Window(std::uint64_t id, const DecodingOptions& options, const ModelDims& dims,
               int first_row)
    : id_(id),
      options_(options),
      rules_(options, dims.n_vocab),
      search_(make_search(options)),
      first_row_(first_row),
      max_steps_(std::min(options.sample_len, dims.n_text_ctx - n_initial() + 1)) {}

void Window::feed(std::vector<Fed>& fed) const {
  if (is_new()) {
    for (int i = 0; i < n_initial(); ++i) {
      const bool looks = options_.keep_attention && i >= options_.sot_index;
      fed.push_back({first_row_, options_.initial_tokens[static_cast<std::size_t>(i)], -1, looks});
    }
    // What comes after the prompt; where sot is its end, no rule touches what is read there.
    fed.back().first_logit = n_sot_rows() > 0 ? rules_.first_possible({}) : 0;
    if (n_sot_rows() > 0) {
      fed[fed.size() - options_.initial_tokens.size() +
          static_cast<std::size_t>(options_.sot_index)]
          .first_logit = 0;
    }
    fed.back().is_complete = options_.logit_filter != nullptr;
    return;
  }
  for (const int row : search_->live()) {
    const std::vector<int>& said = search_->hypothesis(row).tokens;
    fed.push_back({first_row_ + row, said.back(), rules_.first_possible(said),
                   options_.keep_attention, options_.logit_filter != nullptr});
  }
}

int Window::n_looks() const {
  if (!options_.keep_attention) return 0;
  return is_new() ? n_initial() - options_.sot_index : static_cast<int>(search_->live().size());
}

void Window::keep(const Attention* seen) {
  if (is_new()) {
    of_prompt_.assign(seen, seen + n_looks());
    return;
  }
  for (int index = 0; index < n_looks(); ++index) {
    search_->keep(static_cast<std::size_t>(index), seen[index]);
  }
}

void Window::filter(const ops::Backend& backend, std::int64_t first_logits, ops::Array& logits) {
  if (!options_.logit_filter) return;
  if (is_new()) no_speech_prob_ = no_speech_prob(backend, first_logits, logits);
  std::int64_t row_of_logits = first_logits + n_sot_rows();
  for (const int row : search_->live()) {
    std::vector<int> tokens = options_.initial_tokens;
    const std::vector<int>& said = search_->hypothesis(row).tokens;
    tokens.insert(tokens.end(), said.begin(), said.end());
    error_ = filter_logits(options_.logit_filter, tokens, backend, row_of_logits++, logits);
    if (error_) return;
  }
}

float Window::no_speech_prob(const ops::Backend& backend, std::int64_t row,
                             ops::Array& logits) const {
  ops::ChoiceQuery query;
  query.row = row;
  query.probed = options_.special.no_speech;
  std::vector<ops::Choice> choices;
  backend.choose(logits, {query}, choices);
  return std::exp(choices.front().probed_logprob);
}

void Window::ask(std::int64_t first_logits, std::vector<ops::ChoiceQuery>& queries) const {
  const std::size_t first_query = queries.size();
  if (n_sot_rows() > 0) queries.emplace_back().row = first_logits++;
  for (std::size_t index = 0; index < search_->live().size(); ++index) {
    ops::ChoiceQuery& query = queries.emplace_back();
    query.row = first_logits++;
    query.rules = rules_.describe(search_->hypothesis(search_->live()[index]).tokens);
    search_->ask(index, query);
  }
  if (is_new() && !options_.logit_filter) queries[first_query].probed = options_.special.no_speech;
}

void Window::advance(const ops::Choice* choices) {
  if (is_new() && !options_.logit_filter) no_speech_prob_ = std::exp(choices[0].probed_logprob);
  try {
    if (!error_) {
      metrics.tokens += static_cast<std::uint64_t>(search_->advance(choices + n_sot_rows()));
    }
  } catch (const ShapeError&) {  // this window's options; its neighbours go on
    error_ = std::current_exception();
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
  if (!error_) finished.result = result();
  return finished;
}

std::shared_ptr<const KeptAttention> Window::attention_of(const Hypothesis& hypothesis) const {
  auto kept = std::make_shared<KeptAttention>();
  kept->tokens.assign(options_.initial_tokens.begin() + options_.sot_index,
                      options_.initial_tokens.end());
  kept->n_initial = static_cast<int>(kept->tokens.size());
  kept->scores = of_prompt_;
  for (std::size_t i = 0; i < hypothesis.attention.size(); ++i) {
    kept->tokens.push_back(hypothesis.tokens[i]);
    kept->scores.push_back(hypothesis.attention[i]);
    kept->logprobs.push_back(hypothesis.logprobs[i]);
  }
  kept->eot = options_.special.eot;
  return kept;
}

DecodingResult Window::result() {
  std::vector<Hypothesis> candidates = search_->finish();
  const std::vector<std::size_t> order = ranked(candidates, options_.length_penalty);
  DecodingResult result;
  for (std::size_t i = 0; i < std::min(order.size(), static_cast<std::size_t>(options_.n_best));
       ++i) {
    const Hypothesis& candidate = candidates[order[i]];
    if (i > 0 && std::isinf(candidate.sum_logprob)) break;  // a beam that found nothing to say
    result.hypotheses.push_back({candidate.tokens, candidate.sum_logprob,
                                 static_cast<float>(score(candidate, options_.length_penalty))});
  }
  Hypothesis& best = candidates[order.front()];
  result.loop = best.loop;
  if (options_.keep_attention) result.attention = attention_of(best);
  result.sum_logprob = best.sum_logprob;
  result.avg_logprob = static_cast<float>(static_cast<double>(best.sum_logprob) /
                                          static_cast<double>(best.tokens.size() + 1));
  result.tokens = std::move(best.tokens);
  result.logprobs = std::move(best.logprobs);
  for (const Alternatives& instead : best.alternatives) result.alternatives.push_back(*instead);
  result.no_speech_prob = no_speech_prob_;
  result.temperature = options_.temperature;
  return result;
}

}  // namespace sottovoce
