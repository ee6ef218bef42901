// The inside of DecoderState: rows, their windows, and one forward pass of the decoder.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <sottovoce/model.h>

#include "backend.h"
#include "decoder.h"
#include "model_impl.h"
#include "page_table.h"

namespace sottovoce {

// A token that a pass feeds to a row, behind those that the row has already. Those of a row stand
// together.
struct Fed {
  int row = 0;
  int token = 0;
  // The logits after it: -1: nobody wants them; else those before this id do not count.
  int first_logit = -1;
  bool looks = false;        // whether its attention to the audio is wanted
  bool is_complete = false;  // somebody looks at all logits
};

struct DecoderState::Impl {
  // n_rows is a multiple of n_windows; row r belongs to window r * n_windows / n_rows.
  Impl(std::shared_ptr<const Model::Impl> model, int n_windows, int n_rows);

  // The rows of `window`, which have said nothing yet, hear these features from now on. Returns the
  // ms that their cross-attention keys and values took.
  double listen(int window, const AudioFeatures& features);
  // The rows of `window` say and hear nothing any more, until it listens again.
  void forget(int window);

  // One pass over tokens of any rows. Logits that are wanted are written to the first rows of
  // `logits` (at least as many, n_vocab), in the order of `fed`; those before `first_logit` may be
  // -inf, unless they are to be complete. Throws ShapeError for a token out of range, StateError
  // past n_text_ctx. Whatever is thrown, nothing has changed. `look`, if given, receives the
  // attention of the tokens that look, in the order of `fed`; null: none does.
  void forward(const std::vector<Fed>& fed, ops::Array& logits, ops::Look* look = nullptr);

  int n_past(int row) const { return pages.n_past(row); }
  int n_rows() const { return pages.n_rows(); }
  void rearrange(const std::vector<int>& sources);

  std::shared_ptr<const Model::Impl> model;
  std::vector<std::shared_ptr<const CrossKV>> cross;  // by window; null: hears nothing
  int rows_per_window;
  std::vector<int> window_of_row;  // (n_rows)
  PageTable pages;
  std::unique_ptr<ops::KVArena> arena;
  std::unique_ptr<DecoderWorkspace> workspace;  // of the last pass
  std::atomic<bool> busy{false};                // a call is running
  Metrics metrics;                              // bytes; times are those of the calls

 private:
  // The pass over `fed`, whose positions it opens.
  ops::StepPlan plan(const std::vector<Fed>& fed);
};

}  // namespace sottovoce
