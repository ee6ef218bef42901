#include "beam_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace sottovoce {

BeamSearch::BeamSearch(const DecodingOptions& options)
    : Search(options, options.beam_size),
      eot_(options.special.eot),
      max_candidates_(static_cast<std::size_t>(max_candidates(options))) {}

void BeamSearch::ask(std::size_t, ops::ChoiceQuery& query) const {
  query.n_best = std::max(n_rows() + 1, top_k_);
}

int BeamSearch::advance(const ops::Choice* choices) {
  collect_offers(choices);
  if (std::isinf(offers_.front().sum_logprob)) {  // every beam is at a dead end
    if (finished_.empty()) refuse_step();
    live_.clear();
    return 0;
  }
  take_best_offers(choices);
  go_on();
  return n_rows();
}

void BeamSearch::put_aside(Hypothesis hypothesis) {
  if (finished_.size() < max_candidates_) finished_.push_back(std::move(hypothesis));
}

void BeamSearch::go_on() {
  live_.clear();
  for (int row = 0; row < n_rows(); ++row) {
    if (hypothesis(row).loop) {
      put_aside(hypothesis(row));
    } else {
      live_.push_back(row);
    }
  }
  if (finished_.size() >= max_candidates_) live_.clear();
}

void BeamSearch::collect_offers(const ops::Choice* choices) {
  offers_.clear();
  for (std::size_t index = 0; index < live_.size(); ++index) {
    const ops::Choice& choice = choices[index];
    const int row = live_[index];
    const std::size_t n_offers =
        std::min(choice.best.size(), static_cast<std::size_t>(n_rows() + 1));
    for (std::size_t i = 0; i < n_offers; ++i) {
      const float logprob = choice.log_softmax(choice.best[i].logit);
      offers_.push_back(
          {row, choice.best[i].token, logprob, hypothesis(row).sum_logprob + logprob});
    }
  }
  // Ties stay in the order of rows, then of their offers, as in a dictionary that keeps insertion
  // order under a stable sort.
  std::stable_sort(offers_.begin(), offers_.end(),
                   [](const Offer& a, const Offer& b) { return a.sum_logprob > b.sum_logprob; });
}

// One offer of a row at most ends in eot, so beam_size + 1 of them always fill the beams, however
// few are live.
void BeamSearch::take_best_offers(const ops::Choice* choices) {
  std::vector<Alternatives> instead(rows_.size());  // by row
  for (std::size_t index = 0; index < live_.size(); ++index) {
    instead[static_cast<std::size_t>(live_[index])] = alternatives(choices[index]);
  }
  next_rows_.clear();
  for (const Offer& offer : offers_) {
    if (static_cast<int>(next_rows_.size()) == n_rows()) break;
    Hypothesis extended = hypothesis(offer.source);
    extended.sum_logprob = offer.sum_logprob;
    if (offer.token == eot_) {
      put_aside(std::move(extended));
      continue;
    }
    extended.add(offer.token, offer.logprob, instead[static_cast<std::size_t>(offer.source)]);
    sources_[next_rows_.size()] = offer.source;
    next_rows_.push_back(std::move(extended));
  }
  rows_.swap(next_rows_);
}

std::vector<Hypothesis> BeamSearch::finish() {
  // From worst to best and then backwards, as the reference walks: the later row wins a tie.
  std::vector<std::size_t> order(rows_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
    return rows_[a].sum_logprob < rows_[b].sum_logprob;
  });
  for (auto row = order.rbegin(); row != order.rend(); ++row) {
    if (finished_.size() >= rows_.size()) break;
    if (rows_[*row].loop) continue;  // put aside already
    finished_.push_back(std::move(rows_[*row]));
  }
  return std::move(finished_);
}

}  // namespace sottovoce
