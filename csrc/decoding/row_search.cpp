#include "row_search.h"

#include <algorithm>
#include <numeric>

#include "uniform.h"

namespace sottovoce {

RowSearch::RowSearch(const DecodingOptions& options)
    : Search(options, options.best_of),
      eot_(options.special.eot),
      temperature_(options.temperature),
      seed_(options.seed) {}

double RowSearch::draw(int row) const {
  return uniform(seed_, static_cast<std::uint32_t>(row), n_steps_);
}

void RowSearch::ask(std::size_t index, ops::ChoiceQuery& query) const {
  query.n_best = top_k_;
  if (temperature_ == 0.0f) {
    query.n_best = std::max(1, top_k_);
    return;
  }
  query.temperature = temperature_;
  if (n_steps_ > 0) {
    query.draws = {draw(live_[index])};
    return;
  }
  for (int row = 0; row < n_rows(); ++row) query.draws.push_back(draw(row));
}

int RowSearch::advance(const ops::Choice* choices) {
  const bool first = n_steps_ == 0;  // one choice, from which every row takes its own
  if (first) {
    live_.resize(rows_.size());
    std::iota(live_.begin(), live_.end(), 0);
  } else {
    std::iota(sources_.begin(), sources_.end(), 0);
  }
  still_live_.clear();
  for (std::size_t i = 0; i < live_.size(); ++i) {
    const ops::Choice& choice = choices[first ? 0 : i];
    if (!choice.log_softmax.has_choice()) refuse_step();
    const ops::Candidate& next =
        temperature_ > 0.0f ? choice.drawn[first ? i : 0] : choice.best.front();
    if (extend(next, choice, live_[i])) still_live_.push_back(live_[i]);
  }
  const int n_chosen = static_cast<int>(live_.size());
  live_.swap(still_live_);
  ++n_steps_;
  return n_chosen;
}

bool RowSearch::extend(const ops::Candidate& next, const ops::Choice& choice, int row) {
  Hypothesis& hypothesis = rows_[static_cast<std::size_t>(row)];
  const float logprob = choice.log_softmax(next.logit);
  hypothesis.sum_logprob += logprob;
  if (next.token == eot_) return false;
  hypothesis.add(next.token, logprob, alternatives(choice));
  return !hypothesis.loop;
}

std::vector<Hypothesis> RowSearch::finish() {
  const auto looping = std::stable_partition(rows_.begin(), rows_.end(),
                                             [](const Hypothesis& row) { return !row.loop; });
  if (looping != rows_.begin()) rows_.erase(looping, rows_.end());
  return std::move(rows_);
}

}  // namespace sottovoce
