// The inside of DecoderState: rows, their windows, and one forward pass of the decoder.
#pragma once

#include <atomic>
#include <vector>

#include <sottovoce/model.h>

#include "kv_cache.h"
#include "model_impl.h"

namespace sottovoce {

// The logits after a token of a row.
struct WantedLogits {
  int index = 0;  // of the token among those that are fed
  int first = 0;  // id: logits before it do not count and may be -inf
};

struct DecoderState::Impl {
  // n_rows is a multiple of n_windows; row r belongs to window r * n_windows / n_rows.
  Impl(std::shared_ptr<const Model::Impl> model, int n_windows, int n_rows);

  // The rows of `window`, which have said nothing yet, hear these features from now on. Returns the
  // ms that their cross-attention keys and values took.
  double listen(int window, const AudioFeatures& features);
  // The rows of `window` say and hear nothing any more, until it listens again.
  void forget(int window);

  // Feeds tokens[row] to each row; a row with no tokens is left alone. logits_at[row] says after
  // which of tokens[row] logits are wanted, in ascending order. They are written to `out`, (as many
  // as are wanted, n_vocab), in the order of rows. Throws ShapeError for a token out of
  // range, StateError past n_text_ctx. Whatever is thrown, nothing has changed. `cross`, if given,
  // receives the cross-attention of chosen heads.
  void forward(const std::vector<std::vector<int>>& tokens,
               const std::vector<std::vector<WantedLogits>>& logits_at, float* out,
               CrossAttentionProbe* cross = nullptr);

  int n_past(int row) const { return cache.n_past(row); }
  int n_rows() const { return cache.n_rows(); }
  void rearrange(const std::vector<int>& sources);

  std::shared_ptr<const Model::Impl> model;
  std::vector<std::shared_ptr<const CrossKV>> cross;  // by window; null: hears nothing
  int rows_per_window;
  std::vector<int> window_of_row;  // (n_rows)
  KVCache cache;
  std::atomic<bool> busy{false};  // a call is running
  Metrics metrics;                // bytes; times are those of the calls
};

}  // namespace sottovoce
