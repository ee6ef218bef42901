// A phrase of p tokens has been said r times when the last (r - 1) * p tokens are equal to those p
// before them: one counter a period, and one comparison each for a new token.
#include "loops.h"

#include <algorithm>

namespace sottovoce {
namespace {

constexpr int kFewestTimes = 3;
// "No, no, no, no" and a line that is sung three times are speech.
constexpr int kFewestTokens = 30;

}  // namespace

std::optional<Loop> LoopWatch::add(int token) {
  const int index = n_tokens_++;
  if (token >= eot_) return std::nullopt;
  std::optional<Loop> found;
  const int n_before = static_cast<int>(text_.size());
  for (int period = 1; period <= n_before; ++period) {
    int& n_equal = n_equal_[static_cast<std::size_t>(period - 1)];
    n_equal = text_[static_cast<std::size_t>(n_before - period)] == token ? n_equal + 1 : 0;
    const int n_looping = n_equal + period;
    if (!found && n_looping >= std::max(kFewestTimes * period, kFewestTokens)) {
      found = Loop{indices_[static_cast<std::size_t>(n_before + 1 - n_looping)], period};
    }
  }
  text_.push_back(token);
  indices_.push_back(index);
  n_equal_.push_back(0);
  return found;
}

std::optional<Loop> find_loop(const std::vector<int>& tokens, int eot) {
  LoopWatch watch(eot);
  for (const int token : tokens) {
    if (const std::optional<Loop> loop = watch.add(token)) return loop;
  }
  return std::nullopt;
}

}  // namespace sottovoce
