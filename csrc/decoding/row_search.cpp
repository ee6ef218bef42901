#include "row_search.h"

#include <numeric>

#include "log_softmax.h"

namespace sottovoce {

RowSearch::RowSearch(const DecodingOptions& options)
    : Search(options.best_of),
      eot_(options.special.eot),
      temperature_(options.temperature),
      seed_(options.seed),
      sampler_(options.temperature) {}

int RowSearch::advance(const ops::Context& context, const float* logits, std::int64_t n_vocab) {
  const bool first = n_steps_ == 0;
  if (first) {
    keep_all_live();
  } else {
    std::iota(sources_.begin(), sources_.end(), 0);
  }
  still_live_.clear();
  for (const int row : live_) {
    if (extend(context, logits, n_vocab, row)) still_live_.push_back(row);
    if (!first) logits += n_vocab;
  }
  const int n_chosen = static_cast<int>(live_.size());
  live_.swap(still_live_);
  ++n_steps_;
  return n_chosen;
}

bool RowSearch::extend(const ops::Context& context, const float* logits, std::int64_t n_vocab,
                       int row) {
  const LogSoftmax log_softmax(context, logits, n_vocab);
  if (!log_softmax.has_choice()) refuse_step();
  const int token = temperature_ > 0.0f
                        ? sampler_.draw(context, logits, n_vocab, log_softmax.max(),
                                        uniform(seed_, static_cast<std::uint32_t>(row), n_steps_))
                        : static_cast<int>(ops::argmax(context, logits, n_vocab));
  Hypothesis& hypothesis = rows_[static_cast<std::size_t>(row)];
  hypothesis.sum_logprob += log_softmax(logits[token]);
  if (token == eot_) return false;
  hypothesis.tokens.push_back(token);
  return true;
}

}  // namespace sottovoce
