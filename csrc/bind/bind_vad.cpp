// Voice activity for Python.
#include <sottovoce/vad.h>

#include <mutex>
#include <utility>

#include "bind.h"
#include "gil.h"
#include "numpy_array.h"

namespace sottovoce::bind {

namespace {

// (n_samples,) of an array. Anything else is refused.
TensorView samples_of(const py::array& array) {
  TensorView view = view_f32(array, "voice_activity: samples");
  if (view.shape.size() != 1) {
    throw ShapeError("voice_activity: samples must be (n_samples,) float32, got " +
                     view.describe());
  }
  return view;
}

py::array_t<float> probabilities(const VoiceActivity& voice, const py::array& samples) {
  const TensorView view = samples_of(samples);
  Tensor found;
  {
    const ReleaseGil release;
    found = voice.probabilities(view.f32(), static_cast<std::size_t>(view.size()));
  }
  return to_array(std::move(found));
}

// A stream that threads of Python may share: they wait for one another.
struct Stream {
  explicit Stream(const VoiceActivity& voice) : stream(voice) {}

  py::array_t<float> feed(const py::array& samples) {
    const TensorView view = samples_of(samples);
    Tensor found;
    {
      const ReleaseGil release;
      const std::lock_guard<std::mutex> lock(mutex);
      found = stream.feed(view.f32(), static_cast<std::size_t>(view.size()));
    }
    return to_array(std::move(found));
  }

  py::array_t<float> finish() {
    Tensor found;
    {
      const ReleaseGil release;
      const std::lock_guard<std::mutex> lock(mutex);
      found = stream.finish();
    }
    return to_array(std::move(found));
  }

  VoiceActivityStream stream;
  std::mutex mutex;
};

}  // namespace

void bind_vad(py::module_& module) {
  py::class_<VoiceActivity>(module, "VoiceActivity",
                            "The network that tells speech from other sound, for 16 kHz")
      .def(py::init(&VoiceActivity::open), py::arg("path"), py::kw_only(), py::arg("n_threads") = 0,
           py::arg("isa") = "", "Reads the weights, a safetensors file.")
      .def_property_readonly("n_threads", &VoiceActivity::n_threads)
      .def_property_readonly("isa", &VoiceActivity::isa)
      .def("probabilities", &probabilities, py::arg("samples"),
           "How likely there is speech in each 512 of (n_samples,) float32: (n_frames,) float32.");
  py::class_<Stream>(module, "VoiceActivityStream", "The same of sound that comes block by block")
      .def(py::init<const VoiceActivity&>(), py::arg("voice"))
      .def("feed", &Stream::feed, py::arg("samples"),
           "The probabilities of the frames that these samples complete.")
      .def("finish", &Stream::finish,
           "That of the frame that was begun, if one was; then another recording begins.");
}

}  // namespace sottovoce::bind
