// AlignmentOptions, TokenAlignment and the call that they belong to; its steps, for tests.
#include <pybind11/stl.h>

#include <sottovoce/alignment.h>

#include <algorithm>
#include <memory>

#include "attention_matrix.h"
#include "bind.h"
#include "gil.h"
#include "lists.h"
#include "median_filter.h"
#include "numpy_array.h"
#include "thread_pool.h"
#include "time_warping.h"

namespace sottovoce::bind {

namespace {

// What a call of align() returns, with its figures.
struct Aligned {
  TokenAlignment tokens;
  Metrics metrics;
};

// `Heard`: features, or kept attention.
template <class Heard>
Aligned aligned(const Model& model, const Heard& heard, const AlignmentOptions& options) {
  const ReleaseGil release;
  Aligned aligned;
  aligned.tokens = align(model, heard, options, &aligned.metrics);
  return aligned;
}

template <class T>
py::array_t<T> copy_of(const std::vector<T>& values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

void bind_options(py::module_& module) {
  const AlignmentOptions defaults;
  py::class_<AlignmentOptions>(module, "AlignmentOptions",
                               "A text that was said in a window; alignment.h explains each field")
      .def(py::init([](const py::object& initial_tokens, const py::object& text_tokens, int eot,
                       int n_frames, const Heads& heads, int median_filter_width, bool logprobs) {
             return AlignmentOptions{to_tokens(initial_tokens, "initial_tokens"),
                                     to_tokens(text_tokens, "text_tokens"),
                                     eot,
                                     n_frames,
                                     to_heads(heads),
                                     median_filter_width,
                                     logprobs};
           }),
           py::kw_only(), py::arg("initial_tokens"), py::arg("text_tokens"), py::arg("eot"),
           py::arg("n_frames"), py::arg("heads") = Heads{},
           py::arg("median_filter_width") = defaults.median_filter_width,
           py::arg("logprobs") = defaults.logprobs)
      .def_readonly("initial_tokens", &AlignmentOptions::initial_tokens)
      .def_readonly("text_tokens", &AlignmentOptions::text_tokens)
      .def_readonly("n_frames", &AlignmentOptions::n_frames);
}

void bind_result(py::module_& module) {
  py::class_<Aligned>(module, "TokenAlignment", "When each token of a text was said, how likely")
      .def_property_readonly(
          "starts", [](const Aligned& self) { return copy_of(self.tokens.starts); },
          "(n_text + 1,) int32: positions of 20 ms at which tokens begin; last, where the text "
          "ends")
      .def_property_readonly(
          "peaks", [](const Aligned& self) { return copy_of(self.tokens.peaks); },
          "(n_text,) int32: the position that each token attends to most; -1: unknown")
      .def_property_readonly(
          "probabilities", [](const Aligned& self) { return copy_of(self.tokens.probabilities); },
          "(n_text,) float32: of each token among the ids below eot")
      .def_property_readonly(
          "logprobs", [](const Aligned& self) { return copy_of(self.tokens.logprobs); },
          "(n_text + 1,) float32: of each token and of eot among all ids; empty if not asked for")
      .def_readonly("metrics", &Aligned::metrics);
}

// --- steps, for tests ---

Tensor copy_of(const TensorView& view) {
  Tensor copy(view.shape);
  std::copy_n(view.f32(), view.size(), copy.data());
  return copy;
}

py::array_t<float> matrix_of(const py::array& scores, std::int64_t n_positions,
                             std::int64_t first_row, std::int64_t n_rows, int median_filter_width,
                             int n_threads, const std::string& isa) {
  Tensor overwritten = copy_of(view_f32(scores, "attention_matrix: scores"));
  ThreadPool threads(n_threads);
  const ops::Context context = ops::make_context(isa, threads);
  return to_array(attention_matrix(context, overwritten,
                                   {n_positions, first_row, n_rows, median_filter_width}));
}

py::array_t<float> filtered(const py::array& row, int width) {
  const TensorView view = view_f32(row, "median_filter: row");
  const std::int64_t padding = median_filter_padding(view.size(), width);
  std::vector<float> padded(static_cast<std::size_t>(view.size() + 2 * padding));
  std::vector<float> window(static_cast<std::size_t>(2 * padding + 1));
  std::copy_n(view.f32(), view.size(), padded.data() + padding);
  std::vector<float> out(static_cast<std::size_t>(view.size()));
  median_filter(padded.data() + padding, view.size(), width, window.data(), out.data());
  return copy_of(out);
}

void bind_steps(py::module_& module) {
  module.def("attention_matrix", &matrix_of, py::arg("scores"), py::kw_only(),
             py::arg("n_positions"), py::arg("first_row"), py::arg("n_rows"),
             py::arg("median_filter_width") = 7, py::arg("n_threads") = 1, py::arg("isa") = "",
             "What alignment makes of scores (n_heads, n_tokens, n_ctx) float32: (n_rows, "
             "n_positions). For tests.");
  module.def("median_filter", &filtered, py::arg("row"), py::arg("width"),
             "The running median of (n,) float32. For tests.");
  module.def(
      "path_starts",
      [](const py::array& matrix) {
        return copy_of(path_starts(copy_of(view_f32(matrix, "path_starts: matrix"))));
      },
      py::arg("matrix"),
      "The column at which the best path enters each row of (n_rows, n_columns) float32. For "
      "tests.");
  module.def(
      "row_peaks",
      [](const py::array& matrix) {
        return copy_of(row_peaks(copy_of(view_f32(matrix, "row_peaks: matrix"))));
      },
      py::arg("matrix"),
      "The column of the largest value in each row of (n_rows, n_columns) float32. For tests.");
}

}  // namespace

void bind_alignment(py::module_& module) {
  bind_options(module);
  bind_result(module);
  bind_steps(module);
  py::class_<Model>(module.attr("Model"))
      .def("align", &aligned<AudioFeatures>, py::arg("features"), py::arg("options"),
           "When each token of a text was said, by one decoder pass over it; nothing is encoded.")
      .def("align", &aligned<KeptAttention>, py::arg("kept"), py::arg("options"),
           "The same of the text that a window was decoded to, from what was kept, by none.");
}

}  // namespace sottovoce::bind
