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

void check_frames(const AlignmentOptions& options, const ModelDims& dims) {
  if (options.n_frames < 0 || options.n_frames > dims.n_frames()) {
    refuse("n_frames must be in 0.." + std::to_string(dims.n_frames()) + ", got " +
           std::to_string(options.n_frames));
  }
  if (options.median_filter_width < 1 || options.median_filter_width % 2 == 0) {
    refuse("median_filter_width must be odd and positive, got " +
           std::to_string(options.median_filter_width));
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
  check_frames(options, dims);
  model.check_heads("align", options.heads);
}

// The tokens as a pass feeds them, with the logits from which each one of the text is predicted;
// and, if log-probabilities are wanted, its end.
std::vector<Fed> feed(const AlignmentOptions& options) {
  std::vector<Fed> fed;
  for (const int token : options.initial_tokens) fed.push_back({0, token, -1, true});
  for (const int token : options.text_tokens) {
    fed.back().first_logit = 0;
    fed.push_back({0, token, -1, true});
  }
  if (options.logprobs) fed.back().first_logit = 0;
  fed.push_back({0, options.eot, -1, true});
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

void check_kept(const KeptAttention& kept, const AlignmentOptions& options,
                const Model::Impl& model) {
  check_frames(options, model.dims);
  if (!options.heads.empty() || options.logprobs) {
    refuse("kept attention is that of the model's heads and knows no logprobs; align the features");
  }
  const Shape expected{static_cast<std::int64_t>(model.alignment_heads.size()),
                       model.dims.n_audio_ctx};
  for (const auto& scores : kept.scores) {
    if (scores->shape() == expected) continue;
    refuse("kept attention must be this model's, " + to_string(expected) + ", got " +
           to_string(scores->shape()));
  }
}

// Which of the kept tokens are options.text_tokens, in order.
std::vector<std::size_t> text_of(const KeptAttention& kept, const AlignmentOptions& options) {
  std::vector<std::size_t> said;
  auto i = static_cast<std::size_t>(kept.n_initial);
  for (std::size_t n = 0; n < options.text_tokens.size(); ++n, ++i) {
    while (i < kept.tokens.size() && kept.tokens[i] >= kept.eot) ++i;
    if (i < kept.tokens.size() && kept.tokens[i] == options.text_tokens[n]) {
      said.push_back(i);
      continue;
    }
    refuse("text_tokens must be the first of the n_text=" + std::to_string(kept.n_text()) +
           " that were kept, got " + std::to_string(options.text_tokens[n]) + " as text_tokens[" +
           std::to_string(n) + "]");
  }
  return said;
}

// Kept scores (heads, n_tokens, n_ctx) with those last, and in order, that tell when the tokens of
// `said` begin and where they end: the pass before each chose it, the last one's what follows.
Tensor gather(const Model::Impl& model, const KeptAttention& kept,
              const std::vector<std::size_t>& said) {
  std::vector<std::size_t> telling;
  for (const std::size_t i : said) telling.push_back(i - 1);
  telling.push_back(said.empty() ? static_cast<std::size_t>(kept.n_initial) - 1 : said.back());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < kept.scores.size(); ++i) {
    if (!std::binary_search(telling.begin(), telling.end(), i)) order.push_back(i);
  }
  order.insert(order.end(), telling.begin(), telling.end());

  const auto n_heads = static_cast<std::int64_t>(model.alignment_heads.size());
  const auto n_tokens = static_cast<std::int64_t>(order.size());
  const std::int64_t n_ctx = model.dims.n_audio_ctx;
  Tensor scores({n_heads, n_tokens, n_ctx});
  for (std::int64_t head = 0; head < n_heads; ++head) {
    float* out = scores.data() + head * n_tokens * n_ctx;
    for (const std::size_t i : order) {
      out = std::copy_n(kept.scores[i]->data() + head * n_ctx, n_ctx, out);
    }
  }
  return scores;
}

// Where each token of the text begins and what it attends to, and where the text ends: by the rows
// of scores (heads, n_tokens, n_ctx) from first_row on.
void locate(const Model::Impl& model, Tensor& scores, std::int64_t first_row,
            const AlignmentOptions& options, TokenAlignment& alignment) {
  AttentionMatrix wanted;
  wanted.n_positions = options.n_frames / kInputStride;
  wanted.first_row = first_row;
  wanted.n_rows = static_cast<std::int64_t>(options.text_tokens.size()) + 1;
  wanted.median_filter_width = options.median_filter_width;
  const Tensor matrix = attention_matrix(model.backend->host(), scores, wanted);
  alignment.starts = path_starts(matrix);
  alignment.peaks = row_peaks(matrix);
  alignment.peaks.pop_back();  // the end of the text says nothing
}

void finish(const Model::Impl& model, std::chrono::steady_clock::time_point start, Metrics& call,
            Metrics* metrics) {
  call.alignments = 1;
  call.alignment_ms = ms_since(start);
  model.record(call);
  if (metrics != nullptr) metrics->merge(call);
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
  ops::Look look =
      impl.look(options.heads.empty() ? impl.alignment_heads : options.heads, false, fed.size());
  ops::Array logits = impl.backend->reserve({n_text + 1, impl.dims.n_vocab});
  state.forward(fed, logits, &look);

  TokenAlignment alignment;
  alignment.probabilities = logprobs(*impl.backend, options.text_tokens, options.eot, logits);
  for (float& value : alignment.probabilities) value = std::exp(value);
  if (options.logprobs) {
    std::vector<int> tokens = options.text_tokens;
    tokens.push_back(options.eot);
    alignment.logprobs = logprobs(*impl.backend, tokens, -1, logits);
  }
  Tensor scores = impl.backend->take(look.out);
  const auto first_row = static_cast<std::int64_t>(options.initial_tokens.size()) - 1;
  locate(impl, scores, first_row, options, alignment);

  call.merge(state.metrics);
  finish(impl, start, call, metrics);
  return alignment;
}

TokenAlignment align(const Model& model, const KeptAttention& kept, const AlignmentOptions& options,
                     Metrics* metrics) {
  const PlainArithmetic plain;
  const Model::Impl& impl = model.impl();
  check_kept(kept, options, impl);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<std::size_t> said = text_of(kept, options);

  TokenAlignment alignment;
  for (const std::size_t i : said) {
    const float logprob = kept.logprobs[i - static_cast<std::size_t>(kept.n_initial)];
    alignment.probabilities.push_back(std::exp(logprob));
  }
  Tensor scores = gather(impl, kept, said);
  const auto n_kept = static_cast<std::int64_t>(kept.scores.size());
  const auto first_row = n_kept - static_cast<std::int64_t>(said.size()) - 1;
  locate(impl, scores, first_row, options, alignment);

  Metrics call;
  finish(impl, start, call, metrics);
  return alignment;
}

}  // namespace sottovoce
