// The pieces of the module, one function a stem, and what they share.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include <sottovoce/runtime.h>

namespace sottovoce::bind {

namespace py = pybind11;

inline RuntimeOptions runtime_options(int n_threads, const std::string& isa,
                                      const std::string& compute_type, const std::string& threading,
                                      const std::string& device) {
  RuntimeOptions options;
  options.device = device;
  options.n_threads = n_threads;
  options.isa = isa;
  options.compute_type = compute_type;
  options.threading = threading;
  return options;
}

void bind_errors(py::module_& module);
void bind_cancel(py::module_& module);      // CancelToken, Cancellable, check_cancellation
void bind_checkpoint(py::module_& module);  // ModelDims, Checkpoint, Vocabulary
void bind_audio(py::module_& module);       // log_mel, frame_mask, mel_filters
void bind_vad(py::module_& module);         // VoiceActivity, VoiceActivityStream
void bind_model(py::module_& module);       // Metrics, AudioFeatures, DecoderState, Model
void bind_packed(py::module_& module);      // packed_path, open_packed, save_packed
void bind_alignment(py::module_& module);   // AlignmentOptions, TokenAlignment, Model.align
void bind_decoding(py::module_& module);    // DecodingOptions, DecodeBatch, Model.decode
void bind_kernels(py::module_& module);     // kernel(isa, name), for tests

}  // namespace sottovoce::bind
