#include "search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <sottovoce/error.h>

#include "beam_search.h"
#include "row_search.h"

namespace sottovoce {

Search::Search(int n_rows)
    : rows_(static_cast<std::size_t>(n_rows)), sources_(static_cast<std::size_t>(n_rows), 0) {}

void Search::keep_all_live() {
  live_.resize(rows_.size());
  std::iota(live_.begin(), live_.end(), 0);
}

void Search::refuse_step() {
  throw ShapeError("decode: the options suppress every token that could come next");
}

int n_rows_of(const DecodingOptions& options) {
  return options.beam_size > 0 ? options.beam_size : options.best_of;
}

std::unique_ptr<Search> make_search(const DecodingOptions& options) {
  if (options.beam_size > 0) return std::make_unique<BeamSearch>(options);
  return std::make_unique<RowSearch>(options);
}

int max_candidates(const DecodingOptions& options) {
  // The product in float32 rounds 5 * 0.7f to 3.5 as Python's 5 * 0.7 does, and not to 3.4999998.
  // nearbyint rounds halves to even, like Python's round().
  const float wanted = static_cast<float>(options.beam_size) * options.patience;
  return static_cast<int>(std::nearbyint(std::min(wanted, 1e9f)));
}

std::size_t rank(const std::vector<Hypothesis>& candidates, std::optional<float> length_penalty) {
  std::size_t best = 0;
  double best_score = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const double length = static_cast<double>(candidates[i].tokens.size());
    const double penalty =
        length_penalty ? std::pow((5.0 + length) / 6.0, static_cast<double>(*length_penalty))
                       : std::max(length, 1.0);
    const double score = static_cast<double>(candidates[i].sum_logprob) / penalty;
    if (score > best_score) {
      best_score = score;
      best = i;
    }
  }
  return best;
}

}  // namespace sottovoce
