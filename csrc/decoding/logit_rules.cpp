#include "logit_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sottovoce {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

void forbid(const std::vector<int>& ids, float* logits) {
  for (const int id : ids) logits[id] = kForbidden;
}

void forbid(int begin, int end, float* logits) {
  if (begin < end) std::fill(logits + begin, logits + end, kForbidden);
}

}  // namespace

LogitRules::LogitRules(const DecodingOptions& options, int n_vocab)
    : special_(options.special),
      n_vocab_(n_vocab),
      timestamps_(options.timestamps),
      never_(options.suppress_tokens),
      not_first_(options.blank_tokens),
      latest_first_timestamp_(n_vocab) {
  // <|notimestamps|> is the caller's to give, never the model's to choose.
  if (timestamps_) never_.push_back(special_.no_timestamps);
  std::sort(never_.begin(), never_.end());
  never_.erase(std::unique(never_.begin(), never_.end()), never_.end());
  if (options.max_initial_timestamp_index) {
    const std::int64_t latest =
        std::int64_t{special_.timestamp_begin} + std::int64_t{*options.max_initial_timestamp_index};
    latest_first_timestamp_ = static_cast<int>(std::min<std::int64_t>(latest, n_vocab));
  }
}

void LogitRules::apply(const ops::Context& context, const std::vector<int>& tokens,
                       float* logits) const {
  if (tokens.empty()) forbid(not_first_, logits);
  forbid(never_, logits);
  if (!timestamps_) return;
  if (tokens.empty()) {
    open_with_timestamp(logits);  // which leaves no text for prefer_timestamps to mask
  } else {
    pair_timestamps(tokens, logits);
    prefer_timestamps(context, logits);
  }
}

int LogitRules::first_possible(const std::vector<int>& tokens) const {
  if (!timestamps_) return 0;
  if (tokens.empty()) return special_.timestamp_begin;
  return pair_is_open(tokens) ? special_.eot : 0;
}

// The first token is a timestamp, and not a late one.
void LogitRules::open_with_timestamp(float* logits) const {
  forbid(0, special_.timestamp_begin, logits);
  forbid(latest_first_timestamp_ + 1, n_vocab_, logits);
}

// The last token is a timestamp that ends a segment: another one, or eot, must follow.
bool LogitRules::pair_is_open(const std::vector<int>& tokens) const {
  const std::size_t n = tokens.size();
  return n > 1 && is_timestamp(tokens[n - 1]) && !is_timestamp(tokens[n - 2]);
}

// Timestamps come in pairs, end of one segment and start of the next, except before eot; they do
// not decrease. A lone first token counts as a pair: it only opens.
void LogitRules::pair_timestamps(const std::vector<int>& tokens, float* logits) const {
  if (pair_is_open(tokens)) {
    forbid(0, special_.eot, logits);
  } else if (is_timestamp(tokens.back())) {
    forbid(special_.timestamp_begin, n_vocab_, logits);
    return;
  }
  forbid(special_.timestamp_begin, earliest_timestamp(tokens), logits);
}

// The last timestamp may be repeated only to close its pair: a segment has a length.
int LogitRules::earliest_timestamp(const std::vector<int>& tokens) const {
  const auto last = std::find_if(tokens.rbegin(), tokens.rend(),
                                 [this](int token) { return is_timestamp(token); });
  if (last == tokens.rend()) return special_.timestamp_begin;
  return last == tokens.rbegin() ? *last : *last + 1;
}

// If the timestamps together are likelier than any single other token, it is one of them:
// log sum exp(timestamps) > max(text). Both sides of log_softmax share its constant, left out here.
void LogitRules::prefer_timestamps(const ops::Context& context, float* logits) const {
  const int begin = special_.timestamp_begin;
  const ops::MaxSum timestamps = ops::max_sum(context, logits + begin, n_vocab_ - begin);
  const float likeliest_text = logits[ops::argmax(context, logits, begin)];
  if (timestamps.max + std::log(timestamps.sum) > likeliest_text) forbid(0, begin, logits);
}

}  // namespace sottovoce
