// Which tokens may come next, in openai-whisper's order (blank, suppressed, timestamps), described
// as data. It knows ids and their order on the vocabulary, not what they spell, and sees no logits.
#pragma once

#include <vector>

#include <sottovoce/decoding.h>

#include "choice.h"

namespace sottovoce {

class LogitRules {
 public:
  LogitRules(const DecodingOptions& options, int n_vocab);

  // What may not follow `tokens`, those chosen so far without the initial ones.
  ops::RowRules describe(const std::vector<int>& tokens) const;
  // The least id that the rules may leave possible after these tokens.
  int first_possible(const std::vector<int>& tokens) const;

 private:
  bool is_timestamp(int token) const { return token >= special_.timestamp_begin; }
  bool pair_is_open(const std::vector<int>& tokens) const;
  int earliest_timestamp(const std::vector<int>& tokens) const;
  void open_with_timestamp(ops::RowRules& rules) const;
  void pair_timestamps(const std::vector<int>& tokens, ops::RowRules& rules) const;

  SpecialTokens special_;
  int n_vocab_;
  bool timestamps_;
  ops::TokenList never_;        // ids, ascending
  ops::TokenList not_first_;    // ids
  int latest_first_timestamp_;  // id; n_vocab if any may come first
};

}  // namespace sottovoce
