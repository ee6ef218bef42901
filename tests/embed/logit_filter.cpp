// Decodes with rules of its own: logit_filter MODEL_DIRECTORY
//
// Says what became of each: what it saw, what was heard, and what ended it.
#include <sottovoce/checkpoint.h>
#include <sottovoce/decoding.h>
#include <sottovoce/error.h>
#include <sottovoce/model.h>

#include <cmath>
#include <exception>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace sottovoce;

struct Stopped {};

constexpr float kNever = -std::numeric_limits<float>::infinity();

std::string ended_by(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
    return "its end";
  } catch (const std::exception& thrown) {
    return thrown.what();
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string directory = argc > 1 ? argv[1] : "";
  const Model model(open_checkpoint(directory));
  const Tensor mel = Tensor::zeros({model.dims().n_mels, 3000});
  const AudioFeatures features = model.encode(mel.view());
  DecodingOptions plain;
  plain.special = special_tokens(Vocabulary::open(directory));
  plain.initial_tokens = {plain.special.eot + 1};
  plain.sample_len = 6;
  const auto hear = [&](const LogitFilter& filter) {
    DecodingOptions options = plain;
    options.logit_filter = filter;
    return decode(model, {features}, {options}).front();
  };

  const DecodingResult expected = hear(nullptr);
  int n_calls = 0;
  const DecodingResult watched = hear([&](const std::vector<int>& tokens, float*, int n_vocab) {
    const bool as_expected = static_cast<int>(tokens.size()) == 1 + n_calls;
    if (as_expected && n_vocab == model.dims().n_vocab) ++n_calls;
  });
  const bool is_same = watched.tokens == expected.tokens &&
                       watched.sum_logprob == expected.sum_logprob &&
                       watched.no_speech_prob == expected.no_speech_prob;
  std::cout << "watched: " << (is_same ? "the same" : "different") << ", " << n_calls << " calls\n";

  plain.timestamps = false;
  const DecodingResult forced = hear([](const std::vector<int>& tokens, float* logits, int n) {
    const float wanted = logits[tokens.size()];
    for (int i = 0; i < n; ++i) logits[i] = kNever;
    logits[tokens.size()] = wanted;
  });
  std::cout << "forced:";
  for (const int token : forced.tokens) std::cout << " " << token;

  DecodeBatch batch(model, 2, 1);
  DecodingOptions failing = plain;
  failing.logit_filter = [](const std::vector<int>& tokens, float*, int) {
    if (tokens.size() == 3) throw std::runtime_error("enough");
  };
  batch.submit(features, plain);
  batch.submit(features, failing);
  while (batch.n_free() < 2) {
    for (const FinishedWindow& finished : batch.advance()) {
      std::cout << "\nwindow " << finished.id << ": " << ended_by(finished.error);
    }
  }
  try {
    hear([](const std::vector<int>&, float* logits, int) { logits[7] = std::nanf(""); });
  } catch (const ShapeError& error) {
    std::cout << "\nnan: " << error.what();
  }
  try {
    hear([](const std::vector<int>&, float*, int) { throw Stopped(); });
  } catch (const Stopped&) {
    std::cout << "\nanything else: left\n";
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "logit_filter: " << error.what() << "\n";
  return 1;
}
