// One window on its way through a decoder: what it was asked, where its rows stand and how far it
// has come. It asks about its own logits only, so no window can tell who its neighbours are.
#pragma once

#include <exception>
#include <memory>
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
  bool is_over() const { return n_steps_ == max_steps_ || search_->live().empty() || error_; }

  // Adds the tokens of the next pass.
  void feed(std::vector<Fed>& fed) const;
  // How many of them look at the audio; keep() is told what they saw.
  int n_looks() const;
  // `seen` (n_looks()): (heads, n_audio_ctx) of each, in the order of feed().
  void keep(const Attention* seen);
  // Has the caller's filter, if there is one, change the rows of logits that feed() asked for, the
  // first of which is `first_logits`.
  void filter(const ops::Backend& backend, std::int64_t first_logits, ops::Array& logits);
  // How many rows of logits feed() asked for: ask() adds a query for each, the first of which is
  // `first_logits`.
  int n_logits() const { return n_sot_rows() + static_cast<int>(search_->live().size()); }
  void ask(std::int64_t first_logits, std::vector<ops::ChoiceQuery>& queries) const;
  // Chooses: choices (n_logits()) answer what was asked.
  void advance(const ops::Choice* choices);
  void place_sources(std::vector<int>& sources) const;
  // `ms`: of the pass whose logits advance() read.
  void count(double ms);
  // The window ends here. `metrics` of the decoder: bytes.
  FinishedWindow finish(const Metrics& decoder);

  Metrics metrics;

 private:
  int n_initial() const { return static_cast<int>(options_.initial_tokens.size()); }
  int n_sot_rows() const { return is_new() && options_.sot_index + 1 < n_initial() ? 1 : 0; }
  // Before the filter has seen them: where sot is the prompt's end, both read the same row.
  float no_speech_prob(const ops::Backend& backend, std::int64_t row, ops::Array& logits) const;
  DecodingResult result();
  std::shared_ptr<const KeptAttention> attention_of(const Hypothesis& hypothesis) const;

  std::uint64_t id_;
  DecodingOptions options_;
  LogitRules rules_;
  std::unique_ptr<Search> search_;
  int first_row_;
  int max_steps_;
  int n_steps_ = 0;
  std::vector<Attention> of_prompt_;  // how it attended to the audio, from sot on
  float no_speech_prob_ = 0.0f;
  std::exception_ptr error_;  // why it came to no end
};

}  // namespace sottovoce
