#include "check_options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include <sottovoce/error.h>

#include "search.h"

namespace sottovoce {
namespace {

constexpr int kMostRows = 256;         // of one window
constexpr int kMostAlternatives = 32;  // so many logits of a row are exact with int8, too

[[noreturn]] void refuse(const std::string& message) { throw ShapeError("decode: " + message); }

std::string text(float number) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", static_cast<double>(number));
  return buffer;
}

void check_at_least(const char* name, int value, int least) {
  if (value >= least) return;
  refuse(std::string(name) + " must be at least " + std::to_string(least) + ", got " +
         std::to_string(value));
}

void check_at_most(const char* name, int value, int most) {
  if (value <= most) return;
  refuse(std::string(name) + " must be at most " + std::to_string(most) + ", got " +
         std::to_string(value));
}

void check_token(const std::string& name, int token, int n_vocab) {
  if (token >= 0 && token < n_vocab) return;
  refuse(name + " must be in [0, n_vocab=" + std::to_string(n_vocab) + "), got " +
         std::to_string(token));
}

void check_tokens(const char* name, const std::vector<int>& tokens, int n_vocab) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    check_token(std::string(name) + "[" + std::to_string(i) + "]", tokens[i], n_vocab);
  }
}

void check_ids(const DecodingOptions& options, int n_vocab) {
  check_tokens("initial_tokens", options.initial_tokens, n_vocab);
  check_tokens("suppress_tokens", options.suppress_tokens, n_vocab);
  check_tokens("blank_tokens", options.blank_tokens, n_vocab);
  check_token("eot", options.special.eot, n_vocab);
  check_token("no_speech", options.special.no_speech, n_vocab);
  if (!options.timestamps) return;
  check_token("no_timestamps", options.special.no_timestamps, n_vocab);
  check_token("timestamp_begin", options.special.timestamp_begin, n_vocab);
  check_at_least("timestamp_begin", options.special.timestamp_begin, 1);
  if (options.max_initial_timestamp_index) {
    check_at_least("max_initial_timestamp_index", *options.max_initial_timestamp_index, 0);
  }
}

void check_lengths(const DecodingOptions& options, int n_text_ctx) {
  const std::size_t n_initial = options.initial_tokens.size();
  if (n_initial == 0) refuse("initial_tokens must not be empty");
  if (n_initial > static_cast<std::size_t>(n_text_ctx)) {
    refuse("initial_tokens has " + std::to_string(n_initial) + " tokens, n_text_ctx is " +
           std::to_string(n_text_ctx));
  }
  if (options.sot_index < 0 || static_cast<std::size_t>(options.sot_index) >= n_initial) {
    refuse("sot_index must be in [0, " + std::to_string(n_initial) +
           "), the length of initial_tokens, got " + std::to_string(options.sot_index));
  }
  check_at_least("sample_len", options.sample_len, 1);
}

void check_temperature(const DecodingOptions& options) {
  const float temperature = options.temperature;
  if (!std::isfinite(temperature) || temperature < 0.0f) {
    refuse("temperature must be finite and at least 0, got " + text(temperature));
  }
  check_at_least("best_of", options.best_of, 1);
  check_at_most("best_of", options.best_of, kMostRows);
  if (options.best_of > 1 && temperature == 0.0f) {
    refuse("best_of=" + std::to_string(options.best_of) + " needs temperature > 0");
  }
}

void check_beams(const DecodingOptions& options, int n_vocab) {
  const int beam_size = options.beam_size;
  check_at_least("beam_size", beam_size, 0);
  check_at_most("beam_size", beam_size, kMostRows);
  if (!std::isfinite(options.patience) || options.patience <= 0.0f) {
    refuse("patience must be finite and greater than 0, got " + text(options.patience));
  }
  if (beam_size == 0) {
    if (options.patience != 1.0f) refuse("patience=" + text(options.patience) + " needs beam_size");
    return;
  }
  if (options.temperature > 0.0f) {
    refuse("beam_size=" + std::to_string(beam_size) + " needs temperature 0, got " +
           text(options.temperature));
  }
  if (beam_size >= n_vocab) {
    refuse("beam_size must be less than n_vocab=" + std::to_string(n_vocab) + ", got " +
           std::to_string(beam_size));
  }
  if (max_candidates(options) < 1) {
    refuse("beam_size=" + std::to_string(beam_size) + " with patience=" + text(options.patience) +
           " asks for no candidate");
  }
}

}  // namespace

void check_options(const DecodingOptions& options, const ModelDims& dims) {
  check_at_least("top_k", options.top_k, 0);
  check_at_most("top_k", options.top_k, std::min(kMostAlternatives, dims.n_vocab));
  check_at_least("n_best", options.n_best, 1);
  check_at_most("n_best", options.n_best, kMostRows);
  check_lengths(options, dims.n_text_ctx);
  check_ids(options, dims.n_vocab);
  check_temperature(options);
  check_beams(options, dims.n_vocab);
  if (options.length_penalty &&
      !(*options.length_penalty >= 0.0f && *options.length_penalty <= 1.0f)) {
    refuse("length_penalty must be in [0, 1], got " + text(*options.length_penalty));
  }
}

}  // namespace sottovoce
