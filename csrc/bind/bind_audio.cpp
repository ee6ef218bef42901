// log_mel, frame_mask and mel_filters for Python: NumPy in, NumPy out.
#include <sottovoce/audio.h>

#include "bind.h"
#include "gil.h"
#include "numpy_array.h"

namespace sottovoce::bind {

namespace {

// A count that Python may have given as a negative number.
std::size_t to_count(py::ssize_t value, const char* what) {
  if (value < 0) {
    throw ShapeError(std::string(what) + " must be 0 or more, got " + std::to_string(value));
  }
  return static_cast<std::size_t>(value);
}

py::array_t<float> log_mel_array(const py::array& samples, int n_mels, py::ssize_t padding,
                                 int n_threads, const std::string& isa) {
  const TensorView view = view_f32(samples, "log_mel: samples");
  if (view.shape.size() != 1) {
    throw ShapeError("log_mel: samples must be (n_samples,) float32, got " + view.describe());
  }
  const std::size_t n_padding = to_count(padding, "log_mel: padding");
  to_count(n_threads, "log_mel: n_threads");
  Tensor mel;
  {
    const ReleaseGil release;
    mel = log_mel(view.f32(), static_cast<std::size_t>(view.size()), n_mels, n_padding, n_threads,
                  isa);
  }
  return to_array(std::move(mel));
}

py::array_t<std::uint8_t> frame_mask_array(py::ssize_t n_samples, int n_frames) {
  const std::vector<std::uint8_t> mask =
      frame_mask(to_count(n_samples, "frame_mask: n_samples"), n_frames);
  return py::array_t<std::uint8_t>(static_cast<py::ssize_t>(mask.size()), mask.data());
}

}  // namespace

void bind_audio(py::module_& module) {
  module.def("log_mel", &log_mel_array, py::arg("samples"), py::arg("n_mels"), py::kw_only(),
             py::arg("padding") = 0, py::arg("n_threads") = 0, py::arg("isa") = "",
             "Log-mel spectrogram (n_mels, n_frames) of float32 samples at 16 kHz.");
  module.def("frame_mask", &frame_mask_array, py::arg("n_samples"), py::arg("n_frames"),
             "1 for each frame that holds audio, 0 for padding, (n_frames,) uint8.");
  module.def(
      "mel_filters", [](int n_mels) { return to_array(mel_filters(n_mels)); }, py::arg("n_mels"),
      "Slaney's mel filters, (n_mels, 201) float32.");
}

}  // namespace sottovoce::bind
