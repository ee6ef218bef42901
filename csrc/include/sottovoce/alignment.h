// When each token of a known text was said: the decoder reads the text once more, and the
// cross-attention of the heads that follow the speech is warped onto it.
//
//   AlignmentOptions options;
//   options.initial_tokens = {sot, en, transcribe, no_timestamps};
//   options.text_tokens = words;
//   options.eot = special.eot;
//   options.n_frames = 1100;                                      // of the window's 3000
//   TokenAlignment said = align(model, features, options);
//   double begin = said.starts[i] * 0.02, end = said.starts[i + 1] * 0.02;
#pragma once

#include <vector>

#include <sottovoce/checkpoint.h>
#include <sottovoce/decoding.h>
#include <sottovoce/metrics.h>
#include <sottovoce/model.h>

namespace sottovoce {

// Behaviour: openai-whisper timing.py find_alignment, on a CPU.
struct AlignmentOptions {
  std::vector<int> initial_tokens;  // what the text follows: sot sequence, no_timestamps
  std::vector<int> text_tokens;     // ids below eot; may be empty
  int eot = 0;
  int n_frames = 0;              // mel frames of the window that hold audio, from its start
  std::vector<LayerHead> heads;  // that are looked at; empty: the model's alignment_heads
  int median_filter_width = 7;   // positions, odd
  bool logprobs = false;         // whether TokenAlignment::logprobs is wanted
};

struct TokenAlignment {
  // Encoder positions (20 ms) at which each token of the text begins, and the one where the text
  // ends: (n_text + 1,), not descending. -1, as in openai-whisper, where the attention tells
  // nothing: a window of no more than one position.
  std::vector<int> starts;
  // The position that each token of the text attends to most, whatever its neighbours do:
  // (n_text,). In speech they go forward and rest on voice; in a loop or an invention they often do
  // not. -1 where the attention tells nothing.
  std::vector<int> peaks;
  // Of each token among the ids below eot, before any rule: (n_text,).
  std::vector<float> probabilities;
  // Of each token and of the end of the text, among all ids, before any rule: (n_text + 1,), or
  // empty. Their sum says how likely the text is.
  std::vector<float> logprobs;
};

// One pass of the decoder over all tokens; the features are not encoded again. The same bits for
// any number of threads. This call's figures are merged into `metrics`, if given. Throws ShapeError
// for options that do not fit the model and for features of another model.
TokenAlignment align(const Model& model, const AudioFeatures& features,
                     const AlignmentOptions& options, Metrics* metrics = nullptr);

// The same of what a window was decoded to, without a pass over it: from the attention of its
// tokens while they were chosen, timestamps among them. Of `options` count text_tokens, the first
// of the kept text; n_frames and median_filter_width. Probabilities are those that the rules left.
// Throws ShapeError for options that do not fit what was kept.
TokenAlignment align(const Model& model, const KeptAttention& kept, const AlignmentOptions& options,
                     Metrics* metrics = nullptr);

}  // namespace sottovoce
