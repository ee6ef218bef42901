// How the next tokens of one window are chosen, and which of its rows wins in the end. A search
// owns tokens and scores; it asks for candidates and sees neither logits nor the model nor the
// cache.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <sottovoce/decoding.h>

#include "choice.h"
#include "loops.h"

namespace sottovoce {

// What else a step could have chosen; rows that went on from the same step share it.
using Alternatives = std::shared_ptr<const std::vector<Alternative>>;
// How a token attended to the audio: (heads, n_audio_ctx); rows with one past share those of it.
using Attention = std::shared_ptr<const Tensor>;

struct Hypothesis {
  std::vector<int> tokens;      // chosen so far, without the initial ones and without eot
  std::vector<float> logprobs;  // of each
  std::vector<Alternatives> alternatives;  // of each, if they are wanted
  std::vector<Attention> attention;        // of each that was fed, if it is wanted
  float sum_logprob = 0.0f;                // of the tokens, and of eot where it was chosen
  std::optional<LoopWatch> watch;          // if loops are to be stopped
  std::optional<Loop> loop;                // that its last token has closed: it ends there

  void add(int token, float logprob, const Alternatives& instead);
};

// The rows of one window. All of them start as copies of row 0, so the first step takes the logits
// of row 0 alone and spreads what it chooses.
class Search {
 public:
  virtual ~Search() = default;

  // Rows of which the next step wants logits, ascending; none when the search is over.
  const std::vector<int>& live() const { return live_; }
  // Row i continues the past of row sources()[i] as it stood before the last step: (n_rows).
  const std::vector<int>& sources() const { return sources_; }
  const Hypothesis& hypothesis(int row) const { return rows_[static_cast<std::size_t>(row)]; }

  // What the next step must know of the logits of row live()[index]: candidates or draws.
  virtual void ask(std::size_t index, ops::ChoiceQuery& query) const = 0;
  // One step. choices (live().size()) answer what was asked. Returns how many tokens it chose.
  virtual int advance(const ops::Choice* choices) = 0;

  // How the last token of row live()[index] attended to the audio, when it was fed.
  void keep(std::size_t index, Attention attention);

  // The candidates to rank, in the order in which a tie is won. The search ends here.
  virtual std::vector<Hypothesis> finish() = 0;

 protected:
  Search(const DecodingOptions& options, int n_rows);
  int n_rows() const { return static_cast<int>(rows_.size()); }
  // Those of a choice; null if none are wanted.
  Alternatives alternatives(const ops::Choice& choice) const;
  // For a step at which no row has a token left to choose.
  [[noreturn]] static void refuse_step();

  std::vector<Hypothesis> rows_;  // (n_rows)
  std::vector<int> live_ = {0};
  std::vector<int> sources_;  // (n_rows)
  int top_k_;                 // alternatives of each token
};

// How many rows a window with these options takes.
int n_rows_of(const DecodingOptions& options);
// Greedy, sampling or beam search; options as check_options() lets them pass.
std::unique_ptr<Search> make_search(const DecodingOptions& options);

// Finished hypotheses that end a beam search: Python's round(beam_size * patience).
int max_candidates(const DecodingOptions& options);

// How likely it is for its length: sum_logprob / length, or / ((5 + length) / 6)^length_penalty.
// Without tokens the length counts as 1 (the reference divides by zero).
double score(const Hypothesis& candidate, std::optional<float> length_penalty);
// The candidates by their score, the best first; equals stay in their order.
std::vector<std::size_t> ranked(const std::vector<Hypothesis>& candidates,
                                std::optional<float> length_penalty);

}  // namespace sottovoce
