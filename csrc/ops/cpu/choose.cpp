// Candidates of rows of logits: masks what the rules forbid, takes the likeliest, draws. A task is
// a row, so no row can tell what else was asked.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels.h"
#include "parallel.h"
#include "verbs.h"

namespace sottovoce::ops {

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();
constexpr std::int64_t kBlock = 512;  // probabilities that are summed together

void forbid(const TokenList& ids, float* logits) {
  if (!ids) return;
  for (const int id : *ids) logits[id] = kForbidden;
}

LogSoftmax log_softmax(const kernels::Table& kernels, const float* logits, std::int64_t n) {
  const kernels::MaxSum row = kernels.max_sum_f32(logits, n);
  return {row.max, row.sum};
}

// Whether the logits from `begin` on are together likelier than any before. Both sides of
// log_softmax share its constant, left out here.
bool prefers_from(const kernels::Table& kernels, const float* logits, std::int64_t n,
                  std::int64_t begin) {
  const kernels::MaxSum together = kernels.max_sum_f32(logits + begin, n - begin);
  const float likeliest_before = logits[kernels.argmax_f32(logits, begin)];
  return together.max + std::log(together.sum) > likeliest_before;
}

void apply(const kernels::Table& kernels, const RowRules& rules, float* logits, std::int64_t n) {
  forbid(rules.never, logits);
  forbid(rules.also_never, logits);
  for (const TokenRange& range : rules.ranges) {
    if (range.begin < range.end) std::fill(logits + range.begin, logits + range.end, kForbidden);
  }
  if (rules.preferred_begin < 0) return;
  if (prefers_from(kernels, logits, n, rules.preferred_begin)) {
    std::fill_n(logits, rules.preferred_begin, kForbidden);
  }
}

double block_sum(const float* x, std::int64_t n) {
  constexpr int kLanes = 8;
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += x[i + lane];
  }
  for (; i < n; ++i) lanes[0] += x[i];
  double sum = 0.0;
  for (const float lane : lanes) sum += static_cast<double>(lane);
  return sum;
}

// First i with target < x[0] + ... + x[i]. Rounding can leave the target at or past the whole sum:
// then the last i that has weight, so that what has none is never chosen.
template <class T>
std::int64_t quantile(const T* x, std::int64_t n, double& target) {
  std::int64_t last = 0;
  double last_target = target;
  for (std::int64_t i = 0; i < n; ++i) {
    const double weight = static_cast<double>(x[i]);
    if (weight <= 0.0) continue;
    if (target < weight) return i;
    last = i;
    last_target = target;
    target -= weight;
  }
  target = last_target;
  return last;
}

// softmax(logits / temperature) of one row, tokens in order of their ids, in memory of others.
class Distribution {
 public:
  // probs (n), blocks (ceil(n / kBlock))
  Distribution(float* probs, double* blocks, std::int64_t n)
      : probs_(probs), blocks_(blocks), n_(n), n_blocks_((n + kBlock - 1) / kBlock) {}

  // `max`: the largest of `logits`, finite.
  void fill(const Context& context, const float* logits, float max, float temperature) {
    // Less the largest before the division: a very small temperature cannot overflow.
    for (std::int64_t i = 0; i < n_; ++i) probs_[i] = (logits[i] - max) / temperature;
    softmax_rows(context, probs_, 1, n_);
    total_ = 0.0;
    for (std::int64_t block = 0; block < n_blocks_; ++block) {
      const std::int64_t begin = block * kBlock;
      blocks_[block] = block_sum(probs_ + begin, std::min(kBlock, n_ - begin));
      total_ += blocks_[block];
    }
  }

  // The token at quantile u.
  int at(double u) const {
    double target = u * total_;
    const std::int64_t begin = quantile(blocks_, n_blocks_, target) * kBlock;
    return static_cast<int>(begin + quantile(probs_ + begin, std::min(kBlock, n_ - begin), target));
  }

 private:
  float* probs_;
  double* blocks_;
  std::int64_t n_;
  std::int64_t n_blocks_;
  double total_ = 0.0;
};

// A thread's memory for answers, taken before they are given.
struct Scratch {
  std::vector<int> best;
  float* probs = nullptr;    // (n_vocab), if something is drawn
  double* blocks = nullptr;  // (ceil(n_vocab / kBlock)), likewise
};

void take_best(const kernels::Table& kernels, const float* logits, std::int64_t n, int n_best,
               Scratch& scratch, std::vector<Candidate>& best) {
  if (n_best == 1) {
    const auto likeliest = static_cast<int>(kernels.argmax_f32(logits, n));
    best.push_back({likeliest, logits[likeliest]});
    return;
  }
  top_k(logits, n, n_best, scratch.best);
  for (const int token : scratch.best) best.push_back({token, logits[token]});
}

void answer(const Context& context, const ChoiceQuery& query, float* logits, std::int64_t n,
            Scratch& scratch, Choice& choice) {
  const kernels::Table& kernels = *context.kernels;
  if (query.probed >= 0) {
    const std::int64_t end = query.probed_end < 0 ? n : query.probed_end;
    choice.probed_logprob = log_softmax(kernels, logits, end)(logits[query.probed]);
  }
  choice.best.clear();
  choice.drawn.clear();
  if (query.n_best == 0 && query.draws.empty()) return;
  apply(kernels, query.rules, logits, n);
  choice.log_softmax = log_softmax(kernels, logits, n);
  if (query.n_best > 0) take_best(kernels, logits, n, query.n_best, scratch, choice.best);
  if (query.draws.empty() || !choice.log_softmax.has_choice()) return;
  Distribution distribution(scratch.probs, scratch.blocks, n);
  distribution.fill(context, logits, choice.log_softmax.max(), query.temperature);
  for (const double u : query.draws) {
    const int token = distribution.at(u);
    choice.drawn.push_back({token, logits[token]});
  }
}

}  // namespace

void choose(const Context& context, float* logits, std::int64_t n_vocab,
            const std::vector<ChoiceQuery>& queries, std::vector<Choice>& choices) {
  choices.resize(queries.size());
  int n_best = 0;
  bool draws = false;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    n_best = std::max(n_best, queries[i].n_best);
    draws = draws || !queries[i].draws.empty();
    choices[i].best.reserve(static_cast<std::size_t>(queries[i].n_best));
    choices[i].drawn.reserve(queries[i].draws.size());
  }
  const auto n_threads = static_cast<std::size_t>(context.threads->n_threads());
  const auto n_blocks = static_cast<std::size_t>((n_vocab + kBlock - 1) / kBlock);
  std::vector<Scratch> scratch(n_threads);
  Tensor probs({draws ? context.threads->n_threads() : 0, n_vocab});
  std::vector<double> blocks(draws ? n_threads * n_blocks : 0);
  for (std::size_t thread = 0; thread < n_threads; ++thread) {
    scratch[thread].best.reserve(static_cast<std::size_t>(n_best));
    if (!draws) continue;
    scratch[thread].probs = probs.data() + static_cast<std::int64_t>(thread) * n_vocab;
    scratch[thread].blocks = blocks.data() + thread * n_blocks;
  }
  parallel_for(*context.threads, static_cast<std::int64_t>(queries.size()),
               [&](std::int64_t begin, std::int64_t end, int thread) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const ChoiceQuery& query = queries[static_cast<std::size_t>(i)];
                   answer(context, query, logits + query.row * n_vocab, n_vocab,
                          scratch[static_cast<std::size_t>(thread)],
                          choices[static_cast<std::size_t>(i)]);
                 }
               });
}

}  // namespace sottovoce::ops
