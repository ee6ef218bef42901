// What a search asks of rows of logits, and what it is told: the rules as data, a few candidates in
// return. No search reads a row of n_vocab logits.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace sottovoce::ops {

// Token ids [begin, end).
struct TokenRange {
  int begin = 0;
  int end = 0;
};

// Ids that rules of many rows and steps share, so that a device need copy them once only.
using TokenList = std::shared_ptr<const std::vector<int>>;

// Which tokens may not come next in one row.
struct RowRules {
  TokenList never;       // or null
  TokenList also_never;  // for this step; or null
  TokenRange ranges[2];  // empty ones forbid nothing
  // If the logits from here on are together likelier than any single one before, those before may
  // not come: log sum exp(x[begin..]) > max(x[..begin)). -1: no such rule.
  int preferred_begin = -1;
};

// What makes log-probabilities of one row's logits: (x - max) - log(sum exp(x - max)).
class LogSoftmax {
 public:
  LogSoftmax() = default;
  LogSoftmax(float max, float sum) : max_(max), log_sum_(std::log(sum)) {}

  float max() const { return max_; }
  // False if no logit of the row is left to choose.
  bool has_choice() const { return std::isfinite(max_); }
  // At most 0; -inf for a masked logit, even where all are, so that scores are never unordered.
  float operator()(float logit) const {
    const float logprob = (logit - max_) - log_sum_;
    return logprob <= 0.0f ? logprob : -std::numeric_limits<float>::infinity();
  }

 private:
  float max_ = 0.0f;
  float log_sum_ = 0.0f;
};

// What is wanted of one row of logits, which no other query of the same call names.
struct ChoiceQuery {
  std::int64_t row = 0;  // of the logits
  RowRules rules;
  int n_best = 0;             // likeliest tokens
  float temperature = 0.0f;   // of the draws, above 0
  std::vector<double> draws;  // a number in [0, 1) for each token to draw: its quantile
  int probed = -1;            // a token whose log-probability before any rule is wanted, or -1
  int probed_end = -1;        // among the ids before this one; -1: among all
};

struct Candidate {
  int token = 0;
  float logit = 0.0f;  // -inf where the rules forbid the token
};

struct Choice {
  LogSoftmax log_softmax;        // of the row, rules applied
  std::vector<Candidate> best;   // (n_best), largest first, lowest id first among equals
  std::vector<Candidate> drawn;  // one a draw; none if the row has no choice
  float probed_logprob = 0.0f;   // of the probed token
};

}  // namespace sottovoce::ops
