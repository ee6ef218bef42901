// Rows that go their own ways: one greedy row, or best_of samples. A row ends with its eot, and
// the log-prob of that eot counts.
#pragma once

#include "log_softmax.h"
#include "sampler.h"
#include "search.h"

namespace sottovoce {

class RowSearch final : public Search {
 public:
  explicit RowSearch(const DecodingOptions& options);

  void look(const ops::Context& context, std::size_t index, const float* logits,
            std::int64_t n_vocab) noexcept override;
  int advance(const ops::Context& context, const float* logits, std::int64_t n_vocab) override;
  std::vector<Hypothesis> finish() override { return std::move(rows_); }

 private:
  // What was seen of one live row.
  struct Look {
    LogSoftmax log_softmax;
    int likeliest = 0;  // token; at temperature 0 only
  };

  // logits (n_vocab) of what stands before row `row`. Returns true if the row goes on.
  bool extend(const ops::Context& context, const Look& look, const float* logits,
              std::int64_t n_vocab, int row);

  int eot_;
  float temperature_;
  std::uint64_t seed_;
  Sampler sampler_;
  std::uint32_t n_steps_ = 0;
  std::vector<int> still_live_;
  std::vector<Look> looks_;  // (n_rows), by index of live()
};

}  // namespace sottovoce
