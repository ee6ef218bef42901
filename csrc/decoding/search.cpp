#include "search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <sottovoce/error.h>

#include "beam_search.h"
#include "row_search.h"

namespace sottovoce {

void Hypothesis::add(int token, float logprob, const Alternatives& instead) {
  tokens.push_back(token);
  logprobs.push_back(logprob);
  if (instead) alternatives.push_back(instead);
  if (watch) loop = watch->add(token);
}

Search::Search(const DecodingOptions& options, int n_rows)
    : rows_(static_cast<std::size_t>(n_rows)),
      sources_(static_cast<std::size_t>(n_rows), 0),
      top_k_(options.top_k) {
  if (!options.stop_loops) return;
  for (Hypothesis& row : rows_) row.watch.emplace(options.special.eot);
}

Alternatives Search::alternatives(const ops::Choice& choice) const {
  if (top_k_ == 0) return nullptr;
  auto found = std::make_shared<std::vector<Alternative>>();
  for (const ops::Candidate& candidate : choice.best) {
    const float logprob = choice.log_softmax(candidate.logit);
    if (static_cast<int>(found->size()) == top_k_ || std::isinf(logprob)) break;
    found->push_back({candidate.token, logprob});
  }
  return found;
}

void Search::keep(std::size_t index, Attention attention) {
  rows_[static_cast<std::size_t>(live_[index])].attention.push_back(std::move(attention));
}

void Search::refuse_step() {
  throw ShapeError("decode: the options suppress every token that could come next");
}

int n_rows_of(const DecodingOptions& options) {
  return options.beam_size > 0 ? options.beam_size : options.best_of;
}

std::unique_ptr<Search> make_search(const DecodingOptions& options) {
  if (options.beam_size > 0) return std::make_unique<BeamSearch>(options);
  return std::make_unique<RowSearch>(options);
}

int max_candidates(const DecodingOptions& options) {
  // The product in float32 rounds 5 * 0.7f to 3.5 as Python's 5 * 0.7 does, and not to 3.4999998.
  // nearbyint rounds halves to even, like Python's round().
  const float wanted = static_cast<float>(options.beam_size) * options.patience;
  return static_cast<int>(std::nearbyint(std::min(wanted, 1e9f)));
}

double score(const Hypothesis& candidate, std::optional<float> length_penalty) {
  const auto length = static_cast<double>(candidate.tokens.size());
  const double penalty = length_penalty
                             ? std::pow((5.0 + length) / 6.0, static_cast<double>(*length_penalty))
                             : std::max(length, 1.0);
  return static_cast<double>(candidate.sum_logprob) / penalty;
}

std::vector<std::size_t> ranked(const std::vector<Hypothesis>& candidates,
                                std::optional<float> length_penalty) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return score(candidates[a], length_penalty) > score(candidates[b], length_penalty);
  });
  return order;
}

}  // namespace sottovoce
