// One window on its way through a decoder: what it was asked, where its rows stand and how far it
// has come. It looks at its own logits only, so no window can tell who its neighbours are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sottovoce/decoding.h>

#include "decoder_state.h"
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
  void feed(std::vector<std::vector<int>>& tokens,
            std::vector<std::vector<WantedLogits>>& logits_at) const;
  // How many rows of logits feed() asked for.
  int n_logits() const { return n_sot_rows() + n_live(); }
  // Rows to choose for, each of which look() takes in: applies the rules to its logits, of which
  // `logits` (n_logits(), n_vocab) has all. In any order, on any thread.
  int n_live() const { return static_cast<int>(search_->live().size()); }
  void look(const ops::Context& context, int index, float* logits) noexcept;
  // Chooses, when every row has been looked at.
  void advance(const ops::Context& context, const float* logits);
  void place_sources(std::vector<int>& sources) const;
  // `ms`: of the pass whose logits advance() read.
  void count(double ms);
  // The window ends here. `metrics` of the decoder: bytes.
  FinishedWindow finish(const Metrics& decoder);

  Metrics metrics;

 private:
  int n_initial() const { return static_cast<int>(options_.initial_tokens.size()); }
  int n_sot_rows() const { return is_new() && options_.sot_index + 1 < n_initial() ? 1 : 0; }
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
