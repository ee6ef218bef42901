// log_softmax of one row of logits, an element at a time: (x - max) - log(sum exp(x - max)).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "ops.h"

namespace sottovoce {

class LogSoftmax {
 public:
  LogSoftmax() = default;
  // logits (n), -inf where masked.
  LogSoftmax(const ops::Context& context, const float* logits, std::int64_t n) {
    const ops::MaxSum row = ops::max_sum(context, logits, n);
    max_ = row.max;
    log_sum_ = std::log(row.sum);
  }

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

}  // namespace sottovoce
