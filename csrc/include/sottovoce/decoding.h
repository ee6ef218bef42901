// Decoding at the level of windows and tokens: the rules, the search and the per-token loop.
// No text and no files; which tokens to start with and when to try again is the caller's policy.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sottovoce/metrics.h>
#include <sottovoce/model.h>
#include <sottovoce/tensor.h>

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

// A rule of the caller's own. It is called for every row at every step, on the thread that decodes:
// with the tokens so far, initial_tokens and those chosen since, and with the logits (n_vocab) of
// the next one, which it may change. They are the network's: the rules of DecodingOptions come
// after it. -inf forbids a token; NaN and +inf are refused.
//
// The first step has one row, which all samples and beams go on from; then come those that are
// still on their way. A std::exception that the filter throws ends its window alone
// (FinishedWindow::error); anything else leaves the call at once, as what an Interruptible throws.
using LogitFilter = std::function<void(const std::vector<int>& tokens, float* logits, int n_vocab)>;

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
  LogitFilter logit_filter;                        // or none

  int top_k = 0;                // likeliest tokens of each step to report; changes no choice
  int n_best = 1;               // hypotheses to report, of those that the search has ended with
  bool keep_attention = false;  // for align(), which needs no second pass then
  // A beam or sample that says one phrase over and over (find_loop) ends there. Samples that do are
  // no candidates where another one does not; beams are ranked as if they had come to their end.
  bool stop_loops = false;
};

// A phrase that a text says over and over.
struct Loop {
  int first = 0;     // index of the token with which the phrase begins the first time
  int n_tokens = 0;  // of text, in the phrase
};

// The first loop that a text runs into: the first place at which its last tokens are one phrase,
// said three times or more, and 30 tokens or more in all; or none. Tokens from eot on, such as
// times, are passed over. A phrase of several lengths is the shortest.
std::optional<Loop> find_loop(const std::vector<int>& tokens, int eot);

struct Alternative {
  int token = 0;
  float logprob = 0.0f;
};

// One of those that a search ranks in the end.
struct DecodedHypothesis {
  std::vector<int> tokens;
  float sum_logprob = 0.0f;
  float score = 0.0f;  // what it is ranked by: sum_logprob over its length or length penalty
};

// How the tokens of a window attended to its audio while they were fed: what align() needs to tell
// when they were said.
struct KeptAttention {
  // (n_tokens): those of the prompt from sot on, n_initial of them, and those that were chosen and
  // fed. The last that was chosen is not fed where sample_len ended the window.
  std::vector<int> tokens;
  int n_initial = 0;
  // Of each token: (heads, n_audio_ctx), those of the model's alignment heads before the softmax.
  std::vector<std::shared_ptr<const Tensor>> scores;
  std::vector<float> logprobs;  // of each token that was chosen and fed: DecodingResult::logprobs
  int eot = 0;                  // ids below it are text

  // How many tokens of text were chosen and fed.
  int n_text() const {
    return static_cast<int>(std::count_if(tokens.begin() + n_initial, tokens.end(),
                                          [this](int token) { return token < eot; }));
  }
};

struct DecodingResult {
  std::vector<int> tokens;      // chosen tokens, without the initial ones and without eot
  std::vector<float> logprobs;  // of each token, among those that the rules allowed
  // Of each token: the top_k that were likeliest in its place, likeliest first; fewer where the
  // rules allowed fewer. Empty if top_k is 0.
  std::vector<std::vector<Alternative>> alternatives;
  std::vector<DecodedHypothesis> hypotheses;  // the n_best of them, the result first
  float sum_logprob = 0.0f;     // of the tokens and of eot where the search counted it
  float avg_logprob = 0.0f;     // sum_logprob / (n_tokens + 1)
  float no_speech_prob = 0.0f;  // softmax at sot_index, before any rule or filter
  float temperature = 0.0f;
  std::shared_ptr<const KeptAttention> attention;  // if it was to be kept
  std::optional<Loop> loop;                        // with which stop_loops has ended it
};

// A window that DecodeBatch has come to the end of.
struct FinishedWindow {
  std::uint64_t id = 0;  // submit()'s
  DecodingResult result;
  // Null, or why there is no result: a ShapeError, if its options left it no token to choose or its
  // filter left a logit that is none; what its filter threw.
  std::exception_ptr error;
  Metrics metrics;  // of this window; a pass counts in full for each window that it served
};

// Windows side by side in a number of slots: one that finishes makes room for the next. Prompts of
// new windows share passes with the tokens of those on their way, and each result has the same bits
// as when its window is decoded alone.
//
//   DecodeBatch batch(model, /*n_slots=*/8, /*rows_per_slot=*/5);
//   while (more to do) {
//     while (batch.n_free() > 0 && there is another window) batch.submit(features, options);
//     for (const FinishedWindow& finished : batch.advance()) use(finished);
//   }
//
// The self-attention cache is laid out for n_slots * rows_per_slot rows of n_text_ctx positions;
// the system provides what is touched. One thread at a time. After an exception of advance() a
// batch can only be destroyed.
class DecodeBatch {
 public:
  // rows_per_slot: the most beams, or samples (best_of), that a window will ask for.
  DecodeBatch(const Model& model, int n_slots, int rows_per_slot);
  DecodeBatch(DecodeBatch&&) noexcept;
  DecodeBatch& operator=(DecodeBatch&&) noexcept;
  ~DecodeBatch();

  int n_slots() const;
  int rows_per_slot() const;
  int n_free() const;  // slots

  // Gives a window a free slot and returns the id by which advance() will name it: 0, 1, ... The
  // features are let go when the window finishes. Throws StateError if no slot is free; ShapeError
  // for options that contradict each other, do not fit the model or need more rows, and for
  // features of another model. Then nothing has changed.
  std::uint64_t submit(const AudioFeatures& features, const DecodingOptions& options);

  // Forward passes until a window finishes, or max_passes of them (0: no limit). Returns those that
  // have finished, in the order of their slots; none if the batch is empty.
  std::vector<FinishedWindow> advance(int max_passes = 0);

  Metrics metrics() const;  // of all windows so far; a pass counts once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Decodes windows side by side, all at once: options[i] and its own prompt length for features[i].
// Each result has the same bits as when its window is decoded alone. This call's figures are merged
// into `metrics`, if given. Throws ShapeError for options that contradict each other or do not fit
// the model, and what a filter throws.
std::vector<DecodingResult> decode(const Model& model, const std::vector<AudioFeatures>& features,
                                   const std::vector<DecodingOptions>& options,
                                   Metrics* metrics = nullptr);

// Probabilities of the language tokens after a lone sot, in their order (openai-whisper
// decoding.py detect_language): (language_tokens.size(),), summing to 1.
std::vector<float> detect_language(const Model& model, const AudioFeatures& features, int sot,
                                   const std::vector<int>& language_tokens);

}  // namespace sottovoce
