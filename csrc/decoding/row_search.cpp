#include "row_search.h"

#include <numeric>

namespace sottovoce {

RowSearch::RowSearch(const DecodingOptions& options)
    : Search(options.best_of),
      eot_(options.special.eot),
      temperature_(options.temperature),
      seed_(options.seed),
      sampler_(options.temperature),
      looks_(static_cast<std::size_t>(options.best_of)) {}

void RowSearch::look(const ops::Context& context, std::size_t index, const float* logits,
                     std::int64_t n_vocab) noexcept {
  looks_[index].log_softmax = LogSoftmax(context, logits, n_vocab);
  if (temperature_ > 0.0f) return;
  looks_[index].likeliest = static_cast<int>(ops::argmax(context, logits, n_vocab));
}

int RowSearch::advance(const ops::Context& context, const float* logits, std::int64_t n_vocab) {
  const bool first = n_steps_ == 0;
  if (first) {
    keep_all_live();
  } else {
    std::iota(sources_.begin(), sources_.end(), 0);
  }
  still_live_.clear();
  for (std::size_t i = 0; i < live_.size(); ++i) {
    const std::size_t index = first ? 0 : i;
    const float* const row_logits = logits + static_cast<std::int64_t>(index) * n_vocab;
    if (extend(context, looks_[index], row_logits, n_vocab, live_[i])) {
      still_live_.push_back(live_[i]);
    }
  }
  const int n_chosen = static_cast<int>(live_.size());
  live_.swap(still_live_);
  ++n_steps_;
  return n_chosen;
}

bool RowSearch::extend(const ops::Context& context, const Look& look, const float* logits,
                       std::int64_t n_vocab, int row) {
  if (!look.log_softmax.has_choice()) refuse_step();
  const int token = temperature_ > 0.0f
                        ? sampler_.draw(context, logits, n_vocab, look.log_softmax.max(),
                                        uniform(seed_, static_cast<std::uint32_t>(row), n_steps_))
                        : look.likeliest;
  Hypothesis& hypothesis = rows_[static_cast<std::size_t>(row)];
  hypothesis.sum_logprob += look.log_softmax(logits[token]);
  if (token == eot_) return false;
  hypothesis.tokens.push_back(token);
  return true;
}

}  // namespace sottovoce
