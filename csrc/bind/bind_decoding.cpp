// DecodingOptions, DecodingResult, and the two calls that they belong to.
#include <pybind11/stl.h>

#include <sottovoce/decoding.h>

#include "bind.h"
#include "gil.h"
#include "lists.h"
#include "logit_filter.h"
#include "numpy_array.h"

namespace sottovoce::bind {
namespace {

void bind_options(py::module_& module) {
  const auto make = [](int eot, int no_speech, int no_timestamps, int timestamp_begin,
                       const py::object& initial_tokens, int sot_index, int sample_len,
                       float temperature, int best_of, int beam_size, float patience,
                       std::optional<float> length_penalty, std::uint64_t seed,
                       const py::object& suppress_tokens, const py::object& blank_tokens,
                       bool timestamps, std::optional<int> max_initial_timestamp_index,
                       const py::object& logit_filter, int top_k, int n_best, bool keep_attention,
                       bool stop_loops) {
    DecodingOptions options;
    options.special = {eot, no_speech, no_timestamps, timestamp_begin};
    options.initial_tokens = to_tokens(initial_tokens, "initial_tokens");
    options.sot_index = sot_index;
    options.sample_len = sample_len;
    options.temperature = temperature;
    options.best_of = best_of;
    options.beam_size = beam_size;
    options.patience = patience;
    options.length_penalty = length_penalty;
    options.seed = seed;
    options.suppress_tokens = to_tokens(suppress_tokens, "suppress_tokens");
    options.blank_tokens = to_tokens(blank_tokens, "blank_tokens");
    options.timestamps = timestamps;
    options.max_initial_timestamp_index = max_initial_timestamp_index;
    options.logit_filter = to_logit_filter(logit_filter);
    options.top_k = top_k;
    options.n_best = n_best;
    options.keep_attention = keep_attention;
    options.stop_loops = stop_loops;
    return options;
  };
  const DecodingOptions defaults;
  py::class_<DecodingOptions>(module, "DecodingOptions",
                              "Token-level options of one window; decoding.h explains each")
      .def(py::init(make), py::kw_only(), py::arg("eot"), py::arg("no_speech"),
           py::arg("no_timestamps"), py::arg("timestamp_begin"), py::arg("initial_tokens"),
           py::arg("sot_index") = defaults.sot_index, py::arg("sample_len") = defaults.sample_len,
           py::arg("temperature") = defaults.temperature, py::arg("best_of") = defaults.best_of,
           py::arg("beam_size") = defaults.beam_size, py::arg("patience") = defaults.patience,
           py::arg("length_penalty") = py::none(), py::arg("seed") = defaults.seed,
           py::arg("suppress_tokens") = py::tuple(), py::arg("blank_tokens") = py::tuple(),
           py::arg("timestamps") = defaults.timestamps,
           py::arg("max_initial_timestamp_index") = py::none(),
           py::arg("logit_filter") = py::none(), py::arg("top_k") = defaults.top_k,
           py::arg("n_best") = defaults.n_best, py::arg("keep_attention") = defaults.keep_attention,
           py::arg("stop_loops") = defaults.stop_loops);
}

void bind_result(py::module_& module) {
  py::class_<DecodedHypothesis>(module, "DecodedHypothesis", "One that a search has ended with")
      .def_readonly("tokens", &DecodedHypothesis::tokens)
      .def_readonly("sum_logprob", &DecodedHypothesis::sum_logprob)
      .def_readonly("score", &DecodedHypothesis::score);
  py::class_<KeptAttention, std::shared_ptr<KeptAttention>>(
      module, "KeptAttention",
      "How a window's tokens attended to its audio while they were chosen: for Model.align")
      .def_property_readonly("n_text", &KeptAttention::n_text, "tokens of text that it tells of");
  py::class_<Loop>(module, "Loop", "A phrase that a text says over and over")
      .def_readonly("first", &Loop::first)
      .def_readonly("n_tokens", &Loop::n_tokens);
  py::class_<DecodingResult>(module, "DecodingResult", "What was heard in one window, as tokens")
      .def_readonly("tokens", &DecodingResult::tokens)
      .def_readonly("logprobs", &DecodingResult::logprobs)
      .def_property_readonly("alternatives",
                             [](const DecodingResult& self) {
                               std::vector<std::vector<std::pair<int, float>>> found;
                               for (const auto& of_token : self.alternatives) {
                                 auto& pairs = found.emplace_back();
                                 for (const Alternative& each : of_token) {
                                   pairs.emplace_back(each.token, each.logprob);
                                 }
                               }
                               return found;
                             })
      .def_readonly("hypotheses", &DecodingResult::hypotheses)
      .def_readonly("sum_logprob", &DecodingResult::sum_logprob)
      .def_readonly("avg_logprob", &DecodingResult::avg_logprob)
      .def_readonly("no_speech_prob", &DecodingResult::no_speech_prob)
      .def_readonly("temperature", &DecodingResult::temperature)
      .def_readonly("loop", &DecodingResult::loop,
                    "Loop with which stop_loops has ended it, or None")
      .def_property_readonly(
          "attention",
          [](const DecodingResult& self) {
            return std::const_pointer_cast<KeptAttention>(self.attention);  // nothing changes it
          },
          "KeptAttention if keep_attention was asked for, else None");
}

std::vector<DecodingResult> decode_windows(const Model& model,
                                           const std::vector<AudioFeatures>& features,
                                           const std::vector<DecodingOptions>& options,
                                           Metrics* metrics) {
  Metrics call;  // filled without the GIL, merged with it: callers may share `metrics`
  std::vector<DecodingResult> results;
  {
    const ReleaseGil release;
    results = decode(model, features, options, &call);
  }
  if (metrics != nullptr) metrics->merge(call);
  return results;
}

// The Python exception that says the same, or None.
py::object exception_of(const std::exception_ptr& error) {
  if (!error) return py::none();
  try {
    std::rethrow_exception(error);
  } catch (const ShapeError& refusal) {
    return py::module_::import("sottovoce._core").attr("ShapeError")(refusal.what());
  } catch (const py::error_already_set& raised) {
    if (raised.trace()) PyException_SetTraceback(raised.value().ptr(), raised.trace().ptr());
    return raised.value();
  }
}

void bind_batch(py::module_& module) {
  py::class_<FinishedWindow>(module, "FinishedWindow",
                             "A window that DecodeBatch has come to the end of")
      .def_readonly("id", &FinishedWindow::id)
      .def_readonly("result", &FinishedWindow::result)
      .def_property_readonly("error",
                             [](const FinishedWindow& self) { return exception_of(self.error); })
      .def_readonly("metrics", &FinishedWindow::metrics);
  py::class_<DecodeBatch>(module, "DecodeBatch",
                          "Windows side by side in slots: one that finishes makes room for the "
                          "next. One thread at a time.")
      .def_property_readonly("n_slots", &DecodeBatch::n_slots)
      .def_property_readonly("rows_per_slot", &DecodeBatch::rows_per_slot)
      .def_property_readonly("n_free", &DecodeBatch::n_free)
      .def_property_readonly("metrics", [](const DecodeBatch& self) { return self.metrics(); })
      .def("submit", &DecodeBatch::submit, py::arg("features"), py::arg("options"),
           py::call_guard<ReleaseGil>(),
           "Gives a window a free slot; returns the id by which advance() names it: 0, 1, ... "
           "Raises StateError if no slot is free, ShapeError for options that do not fit.")
      .def("advance", &DecodeBatch::advance, py::arg("max_passes") = 0,
           py::call_guard<ReleaseGil>(),
           "Forward passes until a window finishes, or max_passes of them (0: no limit). Returns "
           "the finished ones; an empty list if the batch is empty.");
}

py::array_t<float> detect(const Model& model, const AudioFeatures& features, int sot,
                          const py::object& language_tokens) {
  const std::vector<int> tokens = to_tokens(language_tokens, "language_tokens");
  std::vector<float> probs;
  {
    const ReleaseGil release;
    probs = detect_language(model, features, sot, tokens);
  }
  return py::array_t<float>(static_cast<py::ssize_t>(probs.size()), probs.data());
}

}  // namespace

void bind_decoding(py::module_& module) {
  bind_options(module);
  bind_result(module);
  module.def(
      "find_loop",
      [](const py::object& tokens, int eot) { return find_loop(to_tokens(tokens, "tokens"), eot); },
      py::arg("tokens"), py::arg("eot"),
      "The first loop that a text runs into: its last tokens are one phrase, said three times or "
      "more, and 30 tokens or more in all; or None. Tokens from eot on are passed over.");
  bind_batch(module);
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (FilterInterrupted& interruption) {
      interruption.raised.restore();
    }
  });
  py::class_<Model>(module.attr("Model"))
      .def("decode", &decode_windows, py::arg("features"), py::arg("options"), py::kw_only(),
           py::arg("metrics") = py::none(),
           "Decodes windows side by side; each result is as if decoded alone")
      .def(
          "new_batch",
          [](const Model& self, int n_slots, int rows_per_slot) {
            const ReleaseGil release;
            return DecodeBatch(self, n_slots, rows_per_slot);
          },
          py::arg("n_slots"), py::arg("rows_per_slot"),
          "A DecodeBatch of n_slots windows of up to rows_per_slot beams or samples")
      .def("detect_language", &detect, py::arg("features"), py::arg("sot"),
           py::arg("language_tokens"), "Probabilities of the language tokens, in their order");
}

}  // namespace sottovoce::bind
