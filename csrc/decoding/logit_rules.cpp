#include "logit_rules.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

namespace sottovoce {

LogitRules::LogitRules(const DecodingOptions& options, int n_vocab)
    : special_(options.special),
      n_vocab_(n_vocab),
      timestamps_(options.timestamps),
      not_first_(std::make_shared<const std::vector<int>>(options.blank_tokens)),
      latest_first_timestamp_(n_vocab) {
  std::vector<int> never = options.suppress_tokens;
  // <|notimestamps|> is the caller's to give, never the model's to choose.
  if (timestamps_) never.push_back(special_.no_timestamps);
  std::sort(never.begin(), never.end());
  never.erase(std::unique(never.begin(), never.end()), never.end());
  never_ = std::make_shared<const std::vector<int>>(std::move(never));
  if (options.max_initial_timestamp_index) {
    const std::int64_t latest =
        std::int64_t{special_.timestamp_begin} + std::int64_t{*options.max_initial_timestamp_index};
    latest_first_timestamp_ = static_cast<int>(std::min<std::int64_t>(latest, n_vocab));
  }
}

ops::RowRules LogitRules::describe(const std::vector<int>& tokens) const {
  ops::RowRules rules;
  rules.never = never_;
  if (tokens.empty()) rules.also_never = not_first_;
  if (!timestamps_) return rules;
  if (tokens.empty()) {
    open_with_timestamp(rules);  // which leaves no text to prefer timestamps to
  } else {
    pair_timestamps(tokens, rules);
    // If the timestamps together are likelier than any single other token, it is one of them.
    rules.preferred_begin = special_.timestamp_begin;
  }
  return rules;
}

int LogitRules::first_possible(const std::vector<int>& tokens) const {
  if (!timestamps_) return 0;
  if (tokens.empty()) return special_.timestamp_begin;
  return pair_is_open(tokens) ? special_.eot : 0;
}

// The first token is a timestamp, and not a late one.
void LogitRules::open_with_timestamp(ops::RowRules& rules) const {
  rules.ranges[0] = {0, special_.timestamp_begin};
  rules.ranges[1] = {latest_first_timestamp_ + 1, n_vocab_};
}

// The last token is a timestamp that ends a segment: another one, or eot, must follow.
bool LogitRules::pair_is_open(const std::vector<int>& tokens) const {
  const std::size_t n = tokens.size();
  return n > 1 && is_timestamp(tokens[n - 1]) && !is_timestamp(tokens[n - 2]);
}

// Timestamps come in pairs, end of one segment and start of the next, except before eot; they do
// not decrease. A lone first token counts as a pair: it only opens.
void LogitRules::pair_timestamps(const std::vector<int>& tokens, ops::RowRules& rules) const {
  if (pair_is_open(tokens)) {
    rules.ranges[0] = {0, special_.eot};
  } else if (is_timestamp(tokens.back())) {
    rules.ranges[0] = {special_.timestamp_begin, n_vocab_};
    return;
  }
  rules.ranges[1] = {special_.timestamp_begin, earliest_timestamp(tokens)};
}

// The last timestamp may be repeated only to close its pair: a segment has a length.
int LogitRules::earliest_timestamp(const std::vector<int>& tokens) const {
  const auto last = std::find_if(tokens.rbegin(), tokens.rend(),
                                 [this](int token) { return is_timestamp(token); });
  if (last == tokens.rend()) return special_.timestamp_begin;
  return last == tokens.rbegin() ? *last : *last + 1;
}

}  // namespace sottovoce
