// Which language a window speaks: one forward pass of a lone sot, read at the language tokens.
#include <algorithm>
#include <cmath>
#include <string>

#include <sottovoce/decoding.h>

#include "decoder_state.h"
#include "model_impl.h"
#include "plain_arithmetic.h"

namespace sottovoce {
namespace {

void check_token(const std::string& name, int token, int n_vocab) {
  if (token >= 0 && token < n_vocab) return;
  throw ShapeError("detect_language: " + name + " must be in [0, n_vocab=" +
                   std::to_string(n_vocab) + "), got " + std::to_string(token));
}

}  // namespace

std::vector<float> detect_language(const Model& model, const AudioFeatures& features, int sot,
                                   const std::vector<int>& language_tokens) {
  const PlainArithmetic plain;
  const int n_vocab = model.dims().n_vocab;
  check_token("sot", sot, n_vocab);
  if (language_tokens.empty())
    throw ShapeError("detect_language: language_tokens must not be empty");
  for (std::size_t i = 0; i < language_tokens.size(); ++i) {
    check_token("language_tokens[" + std::to_string(i) + "]", language_tokens[i], n_vocab);
  }

  DecoderState state = model.new_state({features}, 1);
  const Tensor logits = state.step({{sot}});
  std::vector<float> probs;
  for (const int token : language_tokens) probs.push_back(logits.data()[token]);
  ops::softmax_rows(model.impl().backend->host(), probs.data(), 1,
                    static_cast<std::int64_t>(probs.size()));
  model.impl().record(state.impl().metrics);
  return probs;
}

}  // namespace sottovoce
