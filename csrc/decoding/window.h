// One window on its way through a decoder: what it was asked, where its rows stand and how far it
// has come. It looks at its own logits only, so no window can tell who its neighbours are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sottovoce/decoding.h>

#include "logit_rules.h"
#include "search.h"

namespace sottovoce {

class Window {
 public:
  Window(std::uint64_t id, const DecodingOptions& options, const ModelDims& dims, int first_row);

  // Its next pass feeds the prompt.
  bool is_new() const { return n_steps_ == 0; }
  // The last step may fill position n_text_ctx, which is never fed.
  bool is_over() const {
    return n_steps_ == max_steps_ || search_->live().empty() || !error_.empty();
  }

  // By row of the whole decoder: the tokens of the next pass, and after which logits are wanted.
  void feed(std::vector<std::vector<int>>& tokens, std::vector<std::vector<int>>& logits_at) const;
  // Chooses from the logits that feed() asked for, (rows, n_vocab). Returns how many rows it read.
  int advance(const ops::Context& context, float* logits);
  void place_sources(std::vector<int>& sources) const;
  // `ms`: of the pass whose logits advance() read.
  void count(double ms);
  // The window ends here. `metrics` of the decoder: bytes.
  FinishedWindow finish(const Metrics& decoder);

  Metrics metrics;

 private:
  int n_initial() const { return static_cast<int>(options_.initial_tokens.size()); }
  int n_sot_rows() const { return is_new() && options_.sot_index + 1 < n_initial() ? 1 : 0; }
  void choose(const ops::Context& context, float* logits);
  DecodingResult result();

  std::uint64_t id_;
  DecodingOptions options_;
  LogitRules rules_;
  std::unique_ptr<Search> search_;
  int first_row_;
  std::int64_t n_vocab_;
  int max_steps_;
  int n_steps_ = 0;
  float no_speech_prob_ = 0.0f;
  std::string error_;  // why it came to no end
};

}  // namespace sottovoce
