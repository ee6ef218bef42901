// Rows that go their own ways: one greedy row, or best_of samples. A row ends with its eot, and
// the log-prob of that eot counts; or with a loop.
#pragma once

#include "search.h"

namespace sottovoce {

class RowSearch final : public Search {
 public:
  explicit RowSearch(const DecodingOptions& options);

  void ask(std::size_t index, ops::ChoiceQuery& query) const override;
  int advance(const ops::Choice* choices) override;
  // Samples know nothing of each other: one that does not loop is worth more than one that does.
  std::vector<Hypothesis> finish() override;

 private:
  // What row `row` says next; returns true if it goes on.
  bool extend(const ops::Candidate& next, const ops::Choice& choice, int row);
  double draw(int row) const;

  int eot_;
  float temperature_;
  std::uint64_t seed_;
  std::uint32_t n_steps_ = 0;
  std::vector<int> still_live_;
};

}  // namespace sottovoce
