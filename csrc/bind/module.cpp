// sottovoce._core: the table of contents of the extension module.
#include <sottovoce/dims.h>
#include <sottovoce/error.h>
#include <sottovoce/vad.h>

#include "bind.h"
#include "gil.h"

namespace sottovoce::bind {

void bind_errors(py::module_& module) {
  // Each is also a built-in exception, so that callers may catch what they know.
  const auto derive = [&](const char* name, const py::object& base, PyObject* builtin,
                          const py::dict& attributes = py::dict()) {
    const py::tuple bases = py::make_tuple(base, py::handle(builtin));
    const std::string full_name = std::string("sottovoce._core.") + name;
    py::object type = py::reinterpret_steal<py::object>(
        PyErr_NewException(full_name.c_str(), bases.ptr(), attributes.ptr()));
    if (!type) throw py::error_already_set();
    module.attr(name) = type;
    return type;
  };
  const py::object base = py::exception<Error>(module, "Error");
  static py::handle shape_error = derive("ShapeError", base, PyExc_ValueError).release();
  static py::handle load_error = derive("LoadError", base, PyExc_RuntimeError).release();
  static py::handle state_error = derive("StateError", base, PyExc_RuntimeError).release();
  // What was heard until then, which the package fills in.
  py::dict kept;
  kept["transcription"] = py::none();
  kept["segments"] = py::tuple();
  const py::object stopped = derive("StoppedError", base, PyExc_RuntimeError, kept);
  static py::handle cancelled = derive("CancelledError", stopped, PyExc_RuntimeError).release();
  static py::handle exceeded =
      derive("DeadlineExceededError", stopped, PyExc_TimeoutError).release();
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const ShapeError& error) {
      py::set_error(shape_error, error.what());
    } catch (const LoadError& error) {
      py::set_error(load_error, error.what());
    } catch (const StateError& error) {
      py::set_error(state_error, error.what());
    } catch (const CancelledError& error) {
      py::set_error(cancelled, error.what());
    } catch (const DeadlineExceededError& error) {
      py::set_error(exceeded, error.what());
    }
  });
}

}  // namespace sottovoce::bind

PYBIND11_MODULE(_core, module) {
  using namespace sottovoce;
  namespace py = bind::py;
  module.doc() = "The C++ core of sottovoce: log-mel, model, decoding";
  module.attr("__version__") = SOTTOVOCE_VERSION;
  module.attr("SAMPLE_RATE") = kSampleRate;
  module.attr("N_FFT") = kNFft;
  module.attr("HOP_LENGTH") = kHopLength;
  module.attr("CHUNK_LENGTH") = kChunkLength;
  module.attr("N_SAMPLES") = kNSamples;
  module.attr("N_FRAMES") = kNFrames;
  module.attr("FRAMES_PER_SECOND") = kFramesPerSecond;
  module.attr("INPUT_STRIDE") = kInputStride;
  module.attr("TOKENS_PER_SECOND") = kTokensPerSecond;
  module.attr("VAD_HOP_LENGTH") = kVadHopLength;
  module.def("set_interruption_check", &bind::ReleaseGil::set_interruption_check, py::arg("check"),
             "check() is called about ten times a second on every thread that is in a long call of "
             "this module; what it raises ends the call.");
  bind::bind_errors(module);
  bind::bind_cancel(module);
  bind::bind_checkpoint(module);
  bind::bind_audio(module);
  bind::bind_vad(module);
  bind::bind_model(module);
  bind::bind_packed(module);
  bind::bind_alignment(module);
  bind::bind_decoding(module);
  bind::bind_kernels(module);
}
