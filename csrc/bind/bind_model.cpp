// Model, its features and states, and the figures they keep.
#include <pybind11/stl.h>

#include <sottovoce/model.h>

#include "bind.h"
#include "gil.h"
#include "lists.h"
#include "numpy_array.h"

namespace sottovoce::bind {

namespace {

using TokenLists = std::vector<std::vector<int>>;

py::dict latency_dict(const Latency& latency) {
  py::dict dict;
  dict["count"] = latency.count();
  dict["sum"] = latency.sum_ms();
  dict["max"] = latency.max_ms();
  dict["p50"] = latency.quantile_ms(0.50);
  dict["p95"] = latency.quantile_ms(0.95);
  return dict;
}

py::dict metrics_dict(const Metrics& metrics) {
  py::dict dict;
  dict["encoder_calls"] = metrics.encoder_calls;
  dict["encoder_forward_ms"] = metrics.encoder_forward_ms;
  dict["cross_kv_ms"] = metrics.cross_kv_ms;
  dict["decode_calls"] = metrics.decode_calls;
  dict["decoder_prefill_ms"] = metrics.decoder_prefill_ms;
  dict["decoder_token_ms"] = latency_dict(metrics.decoder_token_ms);
  dict["tokens"] = metrics.tokens;
  dict["alignments"] = metrics.alignments;
  dict["alignment_ms"] = metrics.alignment_ms;
  dict["kv_cache_bytes"] = metrics.kv_cache_bytes;
  dict["cross_kv_bytes"] = metrics.cross_kv_bytes;
  dict["attention_scratch_bytes"] = metrics.attention_scratch_bytes;
  return dict;
}

// All that Metrics holds, for pickles, copies and comparisons; buckets without counts are left out.
py::tuple metrics_state(const Metrics& metrics) {
  const Latency& latency = metrics.decoder_token_ms;
  py::dict buckets;
  for (int i = 0; i < Latency::kBuckets; ++i) {
    const std::uint64_t count = latency.buckets()[static_cast<std::size_t>(i)];
    if (count != 0) buckets[py::int_(i)] = count;
  }
  return py::make_tuple(metrics.encoder_calls, metrics.encoder_forward_ms, metrics.cross_kv_ms,
                        metrics.decode_calls, metrics.decoder_prefill_ms, buckets, latency.sum_ms(),
                        latency.max_ms(), metrics.tokens, metrics.alignments, metrics.alignment_ms,
                        metrics.kv_cache_bytes, metrics.cross_kv_bytes,
                        metrics.attention_scratch_bytes);
}

Metrics metrics_of(const py::tuple& state) {
  if (state.size() != 14) {
    throw py::value_error("Metrics: state must have 14 entries, got " +
                          std::to_string(state.size()));
  }
  const auto number = [&](int i) { return state[static_cast<std::size_t>(i)].cast<double>(); };
  const auto count = [&](int i) {
    return state[static_cast<std::size_t>(i)].cast<std::uint64_t>();
  };
  Latency::Buckets buckets{};
  for (const auto& [bucket, n] : state[5].cast<py::dict>()) {
    const int index = bucket.cast<int>();
    if (index < 0 || index >= Latency::kBuckets) {
      throw py::value_error("Metrics: a bucket must be in 0..255, got " + std::to_string(index));
    }
    buckets[static_cast<std::size_t>(index)] = n.cast<std::uint64_t>();
  }
  Metrics metrics;
  metrics.encoder_calls = count(0);
  metrics.encoder_forward_ms = number(1);
  metrics.cross_kv_ms = number(2);
  metrics.decode_calls = count(3);
  metrics.decoder_prefill_ms = number(4);
  metrics.decoder_token_ms = Latency(buckets, number(6), number(7));
  metrics.tokens = count(8);
  metrics.alignments = count(9);
  metrics.alignment_ms = number(10);
  metrics.kv_cache_bytes = count(11);
  metrics.cross_kv_bytes = count(12);
  metrics.attention_scratch_bytes = count(13);
  return metrics;
}

void bind_metrics(py::module_& module) {
  py::class_<Latency>(module, "Latency", "Latencies: exact count, sum and max; quantiles to 5 %.")
      .def_property_readonly("count", &Latency::count)
      .def_property_readonly("sum_ms", &Latency::sum_ms)
      .def_property_readonly("max_ms", &Latency::max_ms)
      .def("quantile_ms", &Latency::quantile_ms, py::arg("q"), "The q-quantile, 0 <= q <= 1.");
  py::class_<Metrics>(module, "Metrics", "Times, counts and bytes of one call or one model.")
      .def(py::init<>())
      .def_readonly("encoder_calls", &Metrics::encoder_calls)
      .def_readonly("encoder_forward_ms", &Metrics::encoder_forward_ms)
      .def_readonly("cross_kv_ms", &Metrics::cross_kv_ms)
      .def_readonly("decode_calls", &Metrics::decode_calls)
      .def_readonly("decoder_prefill_ms", &Metrics::decoder_prefill_ms)
      .def_readonly("decoder_token_ms", &Metrics::decoder_token_ms)
      .def_readonly("tokens", &Metrics::tokens)
      .def_readonly("alignments", &Metrics::alignments)
      .def_readonly("alignment_ms", &Metrics::alignment_ms)
      .def_readonly("kv_cache_bytes", &Metrics::kv_cache_bytes)
      .def_readonly("cross_kv_bytes", &Metrics::cross_kv_bytes)
      .def_readonly("attention_scratch_bytes", &Metrics::attention_scratch_bytes)
      .def("merge", &Metrics::merge, py::arg("other"), "Adds another call's figures.")
      .def("as_dict", &metrics_dict, "Plain numbers, for logs.")
      .def(
          "__eq__",
          [](const Metrics& self, const Metrics& other) {
            return metrics_state(self).equal(metrics_state(other));
          },
          py::is_operator())
      .def("__copy__", [](const Metrics& self) { return self; })
      .def("__deepcopy__", [](const Metrics& self, const py::dict&) { return self; })
      .def(py::pickle(&metrics_state, &metrics_of));
}

void bind_features(py::module_& module) {
  py::class_<AudioFeatures>(module, "AudioFeatures",
                            "The encoder's output of one window: immutable, shareable.")
      .def_property_readonly(
          "values",
          [](py::object self) {
            return to_readonly_view(self.cast<const AudioFeatures&>().values(), self);
          },
          "(n_audio_ctx, n_audio_state) float32, read-only")
      .def_property_readonly(
          "hidden_states",
          [](py::object self) {
            py::list states;
            for (const Tensor& state : self.cast<const AudioFeatures&>().hidden_states()) {
              states.append(to_readonly_view(state, self));
            }
            return states;
          },
          "Embedding and the output of every block, n_audio_layer + 1 arrays of "
          "(n_audio_ctx, n_audio_state) float32; empty unless encode was asked for them.")
      .def_property_readonly("metrics", [](const AudioFeatures& self) { return self.metrics(); });
}

void bind_state(py::module_& module) {
  py::class_<DecoderState>(module, "DecoderState",
                           "Rows of text over windows of audio; one thread at a time.")
      .def_property_readonly("n_rows", &DecoderState::n_rows)
      .def_property_readonly("n_past",
                             [](const DecoderState& self) {
                               std::vector<int> n_past;
                               for (int row = 0; row < self.n_rows(); ++row) {
                                 n_past.push_back(self.n_past(row));
                               }
                               return n_past;
                             })
      .def(
          "step",
          [](DecoderState& self, const TokenLists& tokens) {
            Tensor logits;
            {
              const ReleaseGil release;
              logits = self.step(tokens);
            }
            return to_array(std::move(logits));
          },
          py::arg("tokens"),
          "Feeds a list of tokens to each row (rows may differ in length; an empty list leaves a "
          "row alone). Returns the logits after each row's last token, (n_rows, n_vocab) float32. "
          "Raises StateError if a row would pass n_text_ctx.")
      .def(
          "step_all",
          [](DecoderState& self, const TokenLists& tokens) {
            Tensor logits;
            {
              const ReleaseGil release;
              logits = self.step_all(tokens);
            }
            return to_array(std::move(logits));
          },
          py::arg("tokens"),
          "As step, with the logits after every token, rows concatenated: "
          "(sum of lengths, n_vocab) float32.")
      .def("rearrange", &DecoderState::rearrange, py::arg("sources"),
           "Row i takes over the past of row sources[i]: page tables move, caches do not.");
}

}  // namespace

void bind_model(py::module_& module) {
  bind_metrics(module);
  bind_features(module);
  bind_state(module);
  module.def("available_isas", &available_isas, "Kernel tables this CPU can run, slowest first.");
  module.def(
      "default_n_threads", &default_n_threads,
      "A thread for every core, siblings counted once, of the CPUs that affinity and cgroup\n"
      "quota leave to this process; SOTTOVOCE_MOST_THREADS at most.");
  module.def(
      "check_runtime",
      [](int n_threads, const std::string& isa, const std::string& compute_type,
         const std::string& threading, const std::string& device) {
        check_runtime(runtime_options(n_threads, isa, compute_type, threading, device));
      },
      py::kw_only(), py::arg("n_threads") = 0, py::arg("isa") = "",
      py::arg("compute_type") = "float32", py::arg("threading") = "pool", py::arg("device") = "",
      "Raises ShapeError as a Model with these options would, before there is one.");
  module.def("available_threading", &available_threading,
             "Whose threads a model may compute on: 'pool', and 'openmp' if it was built.");
  py::class_<Model>(module, "Model",
                    "Packed weights and what they compute. Any number of threads may share one.")
      .def(py::init([](const Checkpoint& checkpoint, int n_threads, const std::string& isa,
                       const std::string& compute_type, const std::string& threading,
                       const std::string& device) {
             const ReleaseGil release;
             return std::make_unique<Model>(
                 checkpoint, runtime_options(n_threads, isa, compute_type, threading, device));
           }),
           py::arg("checkpoint"), py::kw_only(), py::arg("n_threads") = 0, py::arg("isa") = "",
           py::arg("compute_type") = "float32", py::arg("threading") = "pool",
           py::arg("device") = "",
           "Packs a checkpoint's weights. n_threads 0 means default_n_threads(), more than this "
           "process has CPUs means as many as those; isa '' asks "
           "SOTTOVOCE_ISA, then the CPU; threading is one of available_threading(); device '' asks "
           "SOTTOVOCE_DEVICE, then takes 'cpu'. Raises "
           "LoadError naming a tensor that is missing, has "
           "another shape or is not finite.")
      .def_property_readonly("dims", &Model::dims)
      .def_property_readonly("device", &Model::device)
      .def_property_readonly("isa", &Model::isa)
      .def_property_readonly("compute_type", &Model::compute_type)
      .def_property_readonly("n_threads", &Model::n_threads)
      .def_property_readonly("threading", &Model::threading)
      .def_property_readonly("alignment_heads",
                             [](const Model& self) { return to_pairs(self.alignment_heads()); })
      .def_property_readonly("weights_bytes", &Model::weights_bytes)
      .def_property_readonly("metrics", &Model::metrics)
      .def(
          "encode",
          [](const Model& self, const py::array& mel, std::optional<int> n_ctx,
             bool hidden_states) {
            const TensorView view = view_f32(mel, "encode: mel");
            if (n_ctx && hidden_states) {
              throw py::value_error("encode: hidden_states needs all positions, n_ctx=None");
            }
            const ReleaseGil release;
            if (n_ctx) return self.encode_short({view}, *n_ctx).front();
            return self.encode(view, hidden_states);
          },
          py::arg("mel"), py::arg("n_ctx") = py::none(), py::kw_only(),
          py::arg("hidden_states") = false,
          "mel (n_mels, n_frames <= 2 * n_audio_ctx) float32; a shorter window is filled with 0.0, "
          "as openai-whisper's pad_or_trim does. With n_ctx only as many positions are encoded, of "
          "a "
          "mel of at most 2 * n_ctx frames; those of an empty window follow. Returns "
          "AudioFeatures.")
      .def(
          "encode_windows",
          [](const Model& self, const std::vector<py::array>& mels, bool hidden_states) {
            std::vector<TensorView> views;
            for (const py::array& mel : mels) views.push_back(view_f32(mel, "encode: mel"));
            const ReleaseGil release;
            return self.encode(views, hidden_states);
          },
          py::arg("mels"), py::kw_only(), py::arg("hidden_states") = false,
          "As encode, several windows in one call: a list of AudioFeatures, the same bits as "
          "alone.")
      .def(
          "new_state",
          [](const Model& self, const std::vector<AudioFeatures>& features, int n_rows) {
            const ReleaseGil release;
            return self.new_state(features, n_rows);
          },
          py::arg("features"), py::arg("n_rows"),
          "A decoder of n_rows rows, a multiple of the number of windows.")
      .def(
          "logits",
          [](const Model& self, const std::vector<int>& tokens, const AudioFeatures& features) {
            Tensor logits;
            {
              const ReleaseGil release;
              logits = self.logits(tokens, features);
            }
            return to_array(std::move(logits));
          },
          py::arg("tokens"), py::arg("features"),
          "Teacher forcing: logits after each token, (n_tokens, n_vocab) float32.")
      .def(
          "cross_attention",
          [](const Model& self, const std::vector<int>& tokens, const AudioFeatures& features,
             const Heads& heads, bool softmax) {
            Tensor weights;
            {
              const ReleaseGil release;
              weights = self.cross_attention(tokens, features, to_heads(heads), softmax);
            }
            return to_array(std::move(weights));
          },
          py::arg("tokens"), py::arg("features"), py::arg("heads"), py::kw_only(),
          py::arg("softmax") = true,
          "Cross-attention of (layer, head) pairs, (n_heads, n_tokens, n_audio_ctx) float32: "
          "weights, or with softmax=False the scaled scores before the softmax.");
}

}  // namespace sottovoce::bind
