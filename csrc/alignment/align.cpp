// The door of the room: what does not fit stops here. Then one pass of the decoder, and what it
// attended to becomes times.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#include <sottovoce/alignment.h>
#include <sottovoce/error.h>

#include "attention_matrix.h"
#include "decoder_state.h"
#include "elapsed.h"
#include "model_impl.h"
#include "plain_arithmetic.h"
#include "time_warping.h"

namespace sottovoce {

namespace {

[[noreturn]] void refuse(const std::string& message) { throw ShapeError("align: " + message); }

void check_token(const std::string& name, int token, const char* limit_name, int limit) {
  if (token >= 0 && token < limit) return;
  refuse(name + " must be in [0, " + limit_name + "=" + std::to_string(limit) + "), got " +
         std::to_string(token));
}

void check_tokens(const char* name, const std::vector<int>& tokens, const char* limit_name,
                  int limit) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    check_token(std::string(name) + "[" + std::to_string(i) + "]", tokens[i], limit_name, limit);
  }
}

void check_options(const AlignmentOptions& options, const Model::Impl& model) {
  const ModelDims& dims = model.dims;
  if (options.initial_tokens.empty()) refuse("initial_tokens must not be empty");
  check_tokens("initial_tokens", options.initial_tokens, "n_vocab", dims.n_vocab);
  check_token("eot", options.eot, "n_vocab", dims.n_vocab);
  check_tokens("text_tokens", options.text_tokens, "eot", options.eot);
  const std::size_t n_tokens = options.initial_tokens.size() + options.text_tokens.size() + 1;
  if (n_tokens > static_cast<std::size_t>(dims.n_text_ctx)) {
    refuse("initial_tokens, text_tokens and eot must be at most n_text_ctx=" +
           std::to_string(dims.n_text_ctx) + " tokens, got " + std::to_string(n_tokens));
  }
  if (options.n_frames < 0 || options.n_frames > dims.n_frames()) {
    refuse("n_frames must be in 0.." + std::to_string(dims.n_frames()) + ", got " +
           std::to_string(options.n_frames));
  }
  if (options.median_filter_width < 1 || options.median_filter_width % 2 == 0) {
    refuse("median_filter_width must be odd and positive, got " +
           std::to_string(options.median_filter_width));
  }
  model.check_heads("align", options.heads);
}

// The tokens as a pass feeds them, with the logits from which each one of the text is predicted;
// and, if log-probabilities are wanted, its end.
std::vector<Fed> feed(const AlignmentOptions& options) {
  std::vector<Fed> fed;
  for (const int token : options.initial_tokens) fed.push_back({0, token});
  for (const int token : options.text_tokens) {
    fed.back().first_logit = 0;
    fed.push_back({0, token});
  }
  if (options.logprobs) fed.back().first_logit = 0;
  fed.push_back({0, options.eot});
  return fed;
}

// Log-probabilities of the tokens, one a row of logits, among the ids before `end`; -1: among all.
std::vector<float> logprobs(const ops::Backend& backend, const std::vector<int>& tokens, int end,
                            ops::Array& logits) {
  std::vector<ops::ChoiceQuery> queries;
  for (const int token : tokens) {
    ops::ChoiceQuery& query = queries.emplace_back();
    query.row = static_cast<std::int64_t>(queries.size()) - 1;
    query.probed = token;
    query.probed_end = end;
  }
  std::vector<ops::Choice> choices;
  backend.choose(logits, queries, choices);
  std::vector<float> found;
  for (const ops::Choice& choice : choices) found.push_back(choice.probed_logprob);
  return found;
}

}  // namespace

TokenAlignment align(const Model& model, const AudioFeatures& features,
                     const AlignmentOptions& options, Metrics* metrics) {
  const PlainArithmetic plain;
  const Model::Impl& impl = model.impl();
  check_options(options, impl);
  impl.check_features("align", features);

  DecoderState::Impl state(impl.shared_from_this(), 1, 1);
  Metrics call;
  call.cross_kv_ms = state.listen(0, features);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Fed> fed = feed(options);
  const auto n_text = static_cast<std::int64_t>(options.text_tokens.size());
  CrossAttentionProbe probe =
      impl.probe(options.heads.empty() ? impl.alignment_heads : options.heads, false, fed.size());
  ops::Array logits = impl.backend->reserve({n_text + 1, impl.dims.n_vocab});
  state.forward(fed, logits, &probe);

  TokenAlignment alignment;
  alignment.probabilities = logprobs(*impl.backend, options.text_tokens, options.eot, logits);
  for (float& value : alignment.probabilities) value = std::exp(value);
  if (options.logprobs) {
    std::vector<int> tokens = options.text_tokens;
    tokens.push_back(options.eot);
    alignment.logprobs = logprobs(*impl.backend, tokens, -1, logits);
  }
  AttentionMatrix wanted;
  wanted.n_positions = options.n_frames / kInputStride;
  wanted.first_row = static_cast<std::int64_t>(options.initial_tokens.size()) - 1;
  wanted.n_rows = n_text + 1;
  wanted.median_filter_width = options.median_filter_width;
  Tensor scores = impl.backend->take(probe.out);
  alignment.starts = path_starts(attention_matrix(impl.backend->host(), scores, wanted));

  call.alignments = 1;
  call.alignment_ms = ms_since(start);
  call.merge(state.metrics);
  impl.record(call);
  if (metrics != nullptr) metrics->merge(call);
  return alignment;
}

}  // namespace sottovoce
