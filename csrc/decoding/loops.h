// Whether a text has begun to say one phrase over and over, told token by token. It compares ids
// and knows nothing of what they spell: a phrase that comes back in other letters is another one.
#pragma once

#include <optional>
#include <vector>

#include <sottovoce/decoding.h>

namespace sottovoce {

class LoopWatch {
 public:
  explicit LoopWatch(int eot) : eot_(eot) {}

  // The text goes on with this token. Returns the loop that it ends with now, if it does.
  std::optional<Loop> add(int token);

 private:
  int eot_;
  int n_tokens_ = 0;          // added
  std::vector<int> text_;     // those below eot
  std::vector<int> indices_;  // of each of them, among all
  // By period - 1: how many of the last tokens of text are equal to those one period before.
  std::vector<int> n_equal_;
};

}  // namespace sottovoce
