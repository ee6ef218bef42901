// Beam search as openai-whisper does it: every beam offers its beam_size + 1 likeliest next tokens,
// the best offers become the new beams, and those that end in eot on the way are put aside until
// there are enough. A beam that loops is put aside like those: the others are mostly its likes, and
// a loop that is the likeliest of all tells so. The reference keys its offers by token sequence;
// beams are distinct after the first step, and the first step has one row here, so no two offers
// ever share a sequence.
#pragma once

#include "search.h"

namespace sottovoce {

class BeamSearch final : public Search {
 public:
  explicit BeamSearch(const DecodingOptions& options);

  void ask(std::size_t index, ops::ChoiceQuery& query) const override;
  int advance(const ops::Choice* choices) override;
  // Beams on their way fill the list up to beam_size, best first, without the log-prob of an eot.
  std::vector<Hypothesis> finish() override;

 private:
  struct Offer {
    int source;  // row
    int token;
    float logprob;
    float sum_logprob;
  };

  void collect_offers(const ops::Choice* choices);
  void take_best_offers(const ops::Choice* choices);
  void put_aside(Hypothesis hypothesis);
  // All of them live, but for those that loop.
  void go_on();

  int eot_;
  std::size_t max_candidates_;
  std::vector<Hypothesis> finished_;
  std::vector<Offer> offers_;
  std::vector<Hypothesis> next_rows_;
};

}  // namespace sottovoce
