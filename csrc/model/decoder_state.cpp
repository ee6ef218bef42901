// DecoderState: rows of text over windows of audio. Checks at the door, then one decoder pass.
#include "decoder_state.h"

#include <algorithm>
#include <string>

#include <sottovoce/error.h>

#include "decoder.h"
#include "turn.h"

namespace sottovoce {

namespace {

void check_tokens(const ModelDims& dims, const KVCache& cache,
                  const std::vector<std::vector<int>>& tokens) {
  if (static_cast<int>(tokens.size()) != cache.n_rows()) {
    throw ShapeError("step: tokens must have one list a row, n_rows=" +
                     std::to_string(cache.n_rows()) + ", got " + std::to_string(tokens.size()));
  }
  for (int row = 0; row < cache.n_rows(); ++row) {
    const std::vector<int>& list = tokens[static_cast<std::size_t>(row)];
    for (int token : list) {
      if (token < 0 || token >= dims.n_vocab) {
        throw ShapeError("step: token must be in 0..n_vocab-1=" + std::to_string(dims.n_vocab - 1) +
                         ", got " + std::to_string(token) + " in row " + std::to_string(row));
      }
    }
    const int n_past = cache.n_past(row);
    if (n_past + static_cast<int>(list.size()) > cache.n_ctx()) {
      const std::string n_ctx = std::to_string(cache.n_ctx());
      throw StateError(
          n_past == cache.n_ctx()
              ? "step: n_past=" + n_ctx + " has reached n_text_ctx=" + n_ctx + "; start a new state"
              : "step: n_past=" + std::to_string(n_past) + " and " + std::to_string(list.size()) +
                    " more tokens pass n_text_ctx=" + n_ctx + "; feed fewer tokens");
    }
  }
}

std::vector<std::vector<WantedLogits>> last_of_each(const std::vector<std::vector<int>>& tokens) {
  std::vector<std::vector<WantedLogits>> wanted(tokens.size());
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    const auto n = static_cast<int>(tokens[row].size());
    if (n > 0) wanted[row] = {{n - 1, 0}};
  }
  return wanted;
}

constexpr const char* kBusy =
    "DecoderState: another thread is using this state; make one for each thread";

// Takes back the positions that a pass opened and did not fill.
class Opened {
 public:
  explicit Opened(KVCache& cache) : cache_(cache) {
    for (int row = 0; row < cache.n_rows(); ++row) before_.push_back(cache.n_past(row));
  }
  ~Opened() {
    for (std::size_t row = 0; row < before_.size(); ++row) {
      cache_.cut(static_cast<int>(row), before_[row]);
    }
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  void keep() { before_.clear(); }

 private:
  KVCache& cache_;
  std::vector<int> before_;  // by row
};

}  // namespace

DecoderState::Impl::Impl(std::shared_ptr<const Model::Impl> model_impl, int n_windows, int n_rows)
    : model(std::move(model_impl)),
      cross(static_cast<std::size_t>(n_windows)),
      rows_per_window(n_rows / n_windows),
      cache(model->dims.n_text_layer, model->dims.n_text_ctx, n_rows, model->dims.n_text_state) {
  for (int row = 0; row < n_rows; ++row) window_of_row.push_back(row / rows_per_window);
  metrics.kv_cache_bytes = cache.n_bytes();
}

double DecoderState::Impl::listen(int window, const AudioFeatures& features) {
  double spent_ms = 0.0;
  cross[static_cast<std::size_t>(window)] = model->cross_kv(features, spent_ms);
  std::uint64_t n_bytes = 0;
  for (const auto& of_window : cross) n_bytes += of_window ? of_window->n_bytes() : 0;
  metrics.cross_kv_bytes = std::max(metrics.cross_kv_bytes, n_bytes);
  return spent_ms;
}

void DecoderState::Impl::forget(int window) {
  cross[static_cast<std::size_t>(window)].reset();
  for (int row = window * rows_per_window; row < (window + 1) * rows_per_window; ++row) {
    cache.cut(row, 0);
  }
}

void DecoderState::Impl::forward(const std::vector<std::vector<int>>& tokens,
                                 const std::vector<std::vector<WantedLogits>>& logits_at,
                                 float* out, CrossAttentionProbe* probe) {
  const Turn turn(busy, kBusy);
  check_tokens(model->dims, cache, tokens);
  std::vector<int> rows;  // those with tokens, a window's rows side by side
  for (int row = 0; row < n_rows(); ++row) {
    if (!tokens[static_cast<std::size_t>(row)].empty()) rows.push_back(row);
  }
  if (rows.empty()) return;
  std::stable_sort(rows.begin(), rows.end(), [&](int a, int b) {
    return window_of_row[static_cast<std::size_t>(a)] < window_of_row[static_cast<std::size_t>(b)];
  });
  Opened opened(cache);
  std::vector<DecoderInput> inputs;
  std::vector<std::int64_t> first_input(tokens.size(), 0);  // by row
  for (int row : rows) {
    const std::vector<int>& list = tokens[static_cast<std::size_t>(row)];
    first_input[static_cast<std::size_t>(row)] = static_cast<std::int64_t>(inputs.size());
    const int n_past = cache.n_past(row);
    cache.extend(row, static_cast<int>(list.size()));
    for (std::size_t i = 0; i < list.size(); ++i) {
      inputs.push_back({row, list[i], n_past + static_cast<int>(i)});
    }
  }
  const DecoderPass pass{
      model->context, model->dims, model->weights, cross,
      window_of_row,  cache,       probe,          metrics.attention_scratch_bytes};
  const Tensor x = decode_inputs(pass, inputs);

  std::vector<std::int64_t> wanted;  // inputs whose logits are wanted, in the order of rows
  std::vector<int> first;            // the first id of each that counts
  for (std::size_t row = 0; row < logits_at.size(); ++row) {
    for (const WantedLogits& of_token : logits_at[row]) {
      wanted.push_back(first_input[row] + of_token.index);
      first.push_back(of_token.first);
    }
  }
  if (wanted.empty()) return opened.keep();
  const std::int64_t n = model->dims.n_text_state;
  Tensor hidden({static_cast<std::int64_t>(wanted.size()), n});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::copy_n(x.data() + wanted[i] * n, n, hidden.data() + static_cast<std::int64_t>(i) * n);
  }
  project_logits(model->context, model->weights, hidden, first, out);
  opened.keep();
}

void DecoderState::Impl::rearrange(const std::vector<int>& sources) {
  const Turn turn(busy, kBusy);
  if (static_cast<int>(sources.size()) != n_rows()) {
    throw ShapeError("rearrange: sources must have n_rows=" + std::to_string(n_rows()) +
                     " entries, got " + std::to_string(sources.size()));
  }
  for (int source : sources) {
    if (source < 0 || source >= n_rows()) {
      throw ShapeError("rearrange: a source must be in 0..n_rows-1=" +
                       std::to_string(n_rows() - 1) + ", got " + std::to_string(source));
    }
  }
  cache.rearrange(sources);
  const std::vector<int> old = window_of_row;
  for (std::size_t row = 0; row < sources.size(); ++row) {
    window_of_row[row] = old[static_cast<std::size_t>(sources[row])];
  }
}

DecoderState::DecoderState(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

int DecoderState::n_rows() const { return impl_->n_rows(); }

int DecoderState::n_past(int row) const {
  if (row < 0 || row >= n_rows()) {
    throw ShapeError("n_past: row must be in 0..n_rows-1=" + std::to_string(n_rows() - 1) +
                     ", got " + std::to_string(row));
  }
  const Turn turn(impl_->busy, kBusy);
  return impl_->n_past(row);
}

Tensor DecoderState::step(const std::vector<std::vector<int>>& tokens) {
  const std::int64_t n_vocab = impl_->model->dims.n_vocab;
  Tensor logits = Tensor::zeros({n_rows(), n_vocab});
  const std::vector<std::vector<WantedLogits>> wanted = last_of_each(tokens);
  std::vector<std::int64_t> rows;
  for (std::size_t row = 0; row < wanted.size(); ++row) {
    if (!wanted[row].empty()) rows.push_back(static_cast<std::int64_t>(row));
  }
  impl_->forward(tokens, wanted, logits.data());
  // forward() leaves them dense; spread them to their rows, last first.
  for (auto i = static_cast<std::int64_t>(rows.size()) - 1; i >= 0; --i) {
    const std::int64_t row = rows[static_cast<std::size_t>(i)];
    if (row == i) break;
    std::copy_n(logits.data() + i * n_vocab, n_vocab, logits.data() + row * n_vocab);
    std::fill_n(logits.data() + i * n_vocab, n_vocab, 0.0f);
  }
  return logits;
}

Tensor DecoderState::step_all(const std::vector<std::vector<int>>& tokens) {
  std::vector<std::vector<WantedLogits>> wanted(tokens.size());
  std::int64_t n = 0;
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    for (std::size_t i = 0; i < tokens[row].size(); ++i)
      wanted[row].push_back({static_cast<int>(i), 0});
    n += static_cast<std::int64_t>(tokens[row].size());
  }
  Tensor logits({n, impl_->model->dims.n_vocab});
  impl_->forward(tokens, wanted, logits.data());
  return logits;
}

void DecoderState::rearrange(const std::vector<int>& sources) { impl_->rearrange(sources); }

}  // namespace sottovoce
