// Decoding at the level of windows and tokens: the rules, the search and the per-token loop.
// No text and no files; which tokens to start with and when to try again is the caller's policy.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <sottovoce/metrics.h>
#include <sottovoce/model.h>

namespace sottovoce {

// Ids of the tokens that the rules speak of; they differ between .en, multilingual and v3.
struct SpecialTokens {
  int eot = 0;              // <|endoftext|>
  int no_speech = 0;        // <|nospeech|> (<|nocaptions|>)
  int no_timestamps = 0;    // <|notimestamps|>
  int timestamp_begin = 0;  // <|0.00|>
};

// By name from a vocabulary; throws LoadError naming one that is missing.
SpecialTokens special_tokens(const Vocabulary& vocabulary);

// Everything the caller wants of one window. Behaviour: openai-whisper decoding.py.
struct DecodingOptions {
  SpecialTokens special;
  std::vector<int>
      initial_tokens;    // [sot_prev, prompt...] sot sequence [no_timestamps] [prefix...]
  int sot_index = 0;     // of sot in initial_tokens: where no_speech_prob is read
  int sample_len = 224;  // most tokens to add

  float temperature = 0.0f;  // 0: greedy or beam search; else sampling
  int best_of = 1;           // independent samples, temperature > 0 only
  int beam_size = 0;         // 0: greedy; temperature 0 only
  float patience = 1.0f;     // beams: finished candidates wanted = round(beam_size * patience)
  std::optional<float>
      length_penalty;      // none: divide by the length; else ((5 + length) / 6)^penalty
  std::uint64_t seed = 0;  // of the counter-based sampler: same seed, same words

  std::vector<int> suppress_tokens;  // never chosen
  std::vector<int>
      blank_tokens;        // not chosen first: encode(" ") and eot; empty switches the rule off
  bool timestamps = true;  // apply the timestamp rules
  std::optional<int> max_initial_timestamp_index;  // latest first timestamp, in steps of 0.02 s
};

struct DecodingResult {
  std::vector<int> tokens;      // chosen tokens, without the initial ones and without eot
  float sum_logprob = 0.0f;     // of the tokens and of eot where the search counted it
  float avg_logprob = 0.0f;     // sum_logprob / (n_tokens + 1)
  float no_speech_prob = 0.0f;  // softmax at sot_index, before any rule
  float temperature = 0.0f;
};

// Decodes windows side by side: options[i] and its own prompt length for features[i]. Each result
// has the same bits as when its window is decoded alone. This call's figures are merged into
// `metrics`, if given. Throws ShapeError for options that contradict each other or do not fit the
// model.
std::vector<DecodingResult> decode(const Model& model, const std::vector<AudioFeatures>& features,
                                   const std::vector<DecodingOptions>& options,
                                   Metrics* metrics = nullptr);

// Probabilities of the language tokens after a lone sot, in their order (openai-whisper
// decoding.py detect_language): (language_tokens.size(),), summing to 1.
std::vector<float> detect_language(const Model& model, const AudioFeatures& features, int sot,
                                   const std::vector<int>& language_tokens);

}  // namespace sottovoce
