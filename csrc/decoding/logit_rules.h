// Which tokens may come next: masks one row of logits in place, in openai-whisper's order (blank,
// suppressed, timestamps). It knows ids and their order on the vocabulary, not what they spell.
#pragma once

#include <vector>

#include <sottovoce/decoding.h>

#include "ops.h"

namespace sottovoce {

class LogitRules {
 public:
  LogitRules(const DecodingOptions& options, int n_vocab);

  // logits (n_vocab): what may not follow `tokens` becomes -inf. `tokens` are those chosen so far,
  // without the initial ones.
  void apply(const ops::Context& context, const std::vector<int>& tokens, float* logits) const;
  // The least id that apply() may leave possible after these tokens.
  int first_possible(const std::vector<int>& tokens) const;

 private:
  bool is_timestamp(int token) const { return token >= special_.timestamp_begin; }
  bool pair_is_open(const std::vector<int>& tokens) const;
  int earliest_timestamp(const std::vector<int>& tokens) const;
  void open_with_timestamp(float* logits) const;
  void pair_timestamps(const std::vector<int>& tokens, float* logits) const;
  void prefer_timestamps(const ops::Context& context, float* logits) const;

  SpecialTokens special_;
  int n_vocab_;
  bool timestamps_;
  std::vector<int> never_;      // ids, ascending
  std::vector<int> not_first_;  // ids
  int latest_first_timestamp_;  // id; n_vocab if any may come first
};

}  // namespace sottovoce
