// A row comes to the host and goes back: this costs more than choosing, and only where it is asked.
#include "filter_logits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <sottovoce/error.h>

namespace sottovoce {

namespace {

bool is_logit(float value) { return value < std::numeric_limits<float>::infinity(); }

void check_filtered(const float* logits, std::int64_t n_vocab) {
  if (std::count_if(logits, logits + n_vocab, is_logit) == n_vocab) return;  // in vectors
  const float* wrong = std::find_if_not(logits, logits + n_vocab, is_logit);
  throw ShapeError("decode: logit_filter must leave finite logits or -inf, got " +
                   std::string(std::isnan(*wrong) ? "nan" : "inf") + " for token " +
                   std::to_string(wrong - logits));
}

}  // namespace

std::exception_ptr filter_logits(const LogitFilter& filter, const std::vector<int>& tokens,
                                 const ops::Backend& backend, std::int64_t row,
                                 ops::Array& logits) {
  Tensor filtered = backend.download(logits, row, 1);
  try {
    filter(tokens, filtered.data(), static_cast<int>(filtered.size()));
    check_filtered(filtered.data(), filtered.size());
  } catch (const std::exception&) {
    return std::current_exception();
  }
  backend.upload(filtered.view(), row, logits);
  return nullptr;
}

}  // namespace sottovoce
