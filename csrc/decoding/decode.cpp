// Windows that are all there from the start: a batch with a slot for each.
#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include <sottovoce/decoding.h>
#include <sottovoce/error.h>

#include "check_options.h"
#include "search.h"

namespace sottovoce {

std::vector<DecodingResult> decode(const Model& model, const std::vector<AudioFeatures>& features,
                                   const std::vector<DecodingOptions>& options, Metrics* metrics) {
  if (features.size() != options.size()) {
    throw ShapeError("decode: features and options must be as many, got " +
                     std::to_string(features.size()) + " and " + std::to_string(options.size()));
  }
  for (const DecodingOptions& of_window : options) check_options(of_window, model.dims());
  if (features.empty()) return {};
  int rows_per_slot = 1;
  for (const DecodingOptions& of_window : options) {
    rows_per_slot = std::max(rows_per_slot, n_rows_of(of_window));
  }
  DecodeBatch batch(model, static_cast<int>(features.size()), rows_per_slot);
  for (std::size_t i = 0; i < features.size(); ++i) batch.submit(features[i], options[i]);
  std::vector<DecodingResult> results(features.size());
  while (batch.n_free() < batch.n_slots()) {
    for (FinishedWindow& finished : batch.advance()) {
      if (finished.error) std::rethrow_exception(finished.error);
      results[finished.id] = std::move(finished.result);
    }
  }
  if (metrics != nullptr) metrics->merge(batch.metrics());
  return results;
}

}  // namespace sottovoce
