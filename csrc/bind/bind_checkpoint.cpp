// ModelDims, Checkpoint and Vocabulary for Python. A Checkpoint made of arrays views their memory
// and keeps them alive; one that was opened views the mapped files. Nothing is copied either way.
#include <pybind11/operators.h>
#include <pybind11/stl.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sottovoce/checkpoint.h>

#include "bind.h"
#include "gil.h"
#include "numpy_array.h"

namespace sottovoce::bind {

// Any collections.abc.Mapping, so that signatures say what the stubs say.
class TensorMapping : public py::object {
 public:
  PYBIND11_OBJECT(TensorMapping, py::object, is_mapping)

 private:
  static bool is_mapping(PyObject* object) {
    const py::object abstract = py::module_::import("collections.abc").attr("Mapping");
    return py::isinstance(object, abstract);
  }
};

}  // namespace sottovoce::bind

namespace pybind11::detail {

template <>
struct handle_type_name<sottovoce::bind::TensorMapping> {
  static constexpr auto name = const_name("collections.abc.Mapping[str, numpy.ndarray]");
};

}  // namespace pybind11::detail

namespace sottovoce::bind {

namespace {

using HeadPairs = std::vector<std::pair<int, int>>;

// References to Python objects as the storage of a checkpoint. The last owner may be a thread that
// does not hold the GIL; once the interpreter is gone there is nothing left to give back.
std::shared_ptr<const void> keep_alive(std::vector<py::object> objects) {
  const auto release = [](const std::vector<py::object>* held) {
    if (!Py_IsInitialized()) return;
    const TakeGil gil;
    delete held;
  };
  return std::shared_ptr<const std::vector<py::object>>(
      new std::vector<py::object>(std::move(objects)), release);
}

// float32, float16 or uint16 that carries bfloat16, in the machine's byte order.
std::optional<DType> dtype_of(const py::array& array) {
  const py::dtype dtype = array.dtype();
  if (dtype.byteorder() != '=') return std::nullopt;
  if (dtype.kind() == 'f' && dtype.itemsize() == 4) return DType::kFloat32;
  if (dtype.kind() == 'f' && dtype.itemsize() == 2) return DType::kFloat16;
  if (dtype.kind() == 'u' && dtype.itemsize() == 2) return DType::kBFloat16;
  return std::nullopt;
}

TensorView view_tensor(const std::string& name, py::handle value) {
  const std::string what = "Checkpoint: tensor '" + name + "'";
  if (!py::isinstance<py::array>(value)) {
    throw py::type_error(what + " must be a numpy.ndarray, got " +
                         py::cast<std::string>(py::type::handle_of(value).attr("__name__")) +
                         "; use numpy.asarray");
  }
  const auto array = py::reinterpret_borrow<py::array>(value);
  const std::optional<DType> dtype = dtype_of(array);
  if (!dtype) {
    throw py::type_error(what + " must be float32, float16 or uint16 (the bits of bfloat16), got " +
                         describe(array) + "; convert it with .astype(numpy.float32)");
  }
  if (!(array.flags() & py::array::c_style)) {
    throw ShapeError(what + " must be C-contiguous, got a strided " + describe(array) +
                     "; use numpy.ascontiguousarray");
  }
  return {array.data(), *dtype, Shape(array.shape(), array.shape() + array.ndim())};
}

struct Viewed {
  std::map<std::string, TensorView> tensors;
  std::shared_ptr<const void> storage;
};

Viewed view_tensors(const TensorMapping& tensors) {
  Viewed viewed;
  std::vector<py::object> arrays;
  for (const py::handle item : tensors.attr("items")()) {
    const auto [name, array] = py::cast<std::pair<py::object, py::object>>(item);
    if (!py::isinstance<py::str>(name)) {
      throw py::type_error("Checkpoint: names of tensors must be str, got " +
                           py::cast<std::string>(py::repr(name)));
    }
    const auto key = py::cast<std::string>(name);
    viewed.tensors[key] = view_tensor(key, array);
    arrays.push_back(array);
  }
  viewed.storage = keep_alive(std::move(arrays));
  return viewed;
}

std::optional<std::vector<LayerHead>> to_heads(const std::optional<HeadPairs>& pairs) {
  if (!pairs) return std::nullopt;
  std::vector<LayerHead> heads;
  for (const auto& [layer, head] : *pairs) heads.push_back({layer, head});
  return heads;
}

std::optional<HeadPairs> to_pairs(const std::optional<std::vector<LayerHead>>& heads) {
  if (!heads) return std::nullopt;
  HeadPairs pairs;
  for (const LayerHead& head : *heads) pairs.emplace_back(head.layer, head.head);
  return pairs;
}

Checkpoint make_checkpoint(const ModelDims& dims, const TensorMapping& tensors,
                           const std::optional<HeadPairs>& alignment_heads,
                           std::vector<int> suppress_tokens, std::string source) {
  dims.validate();
  Checkpoint checkpoint;
  checkpoint.dims = dims;
  checkpoint.alignment_heads = to_heads(alignment_heads);
  checkpoint.suppress_tokens = std::move(suppress_tokens);
  checkpoint.source = std::move(source);
  Viewed viewed = view_tensors(tensors);
  checkpoint.tensors = std::move(viewed.tensors);
  checkpoint.storage = std::move(viewed.storage);
  return checkpoint;
}

Checkpoint open(const std::string& path, const std::optional<TensorMapping>& tensors) {
  if (tensors) {
    Viewed viewed = view_tensors(*tensors);
    return open_checkpoint(path, viewed.tensors, std::move(viewed.storage));
  }
  const ReleaseGil release;
  return open_checkpoint(path);
}

std::vector<std::string> names_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const auto& [name, view] : checkpoint.tensors) names.push_back(name);
  return names;
}

const TensorView& find_tensor(const Checkpoint& checkpoint, const std::string& name) {
  const auto found = checkpoint.tensors.find(name);
  if (found != checkpoint.tensors.end()) return found->second;
  const auto close = py::cast<std::vector<std::string>>(
      py::module_::import("difflib").attr("get_close_matches")(name, names_of(checkpoint)));
  std::string message = "checkpoint '" + checkpoint.source + "' has no tensor '" + name + "'";
  const char* separator = "; did you mean ";
  for (const std::string& candidate : close) {
    message += separator + ("'" + candidate + "'");
    separator = " or ";
  }
  throw LoadError(message);
}

// A read-only array over the checkpoint's memory, which it keeps alive by itself.
py::array tensor_array(const Checkpoint& checkpoint, const std::string& name) {
  const TensorView& view = find_tensor(checkpoint, name);
  const char* dtype = view.dtype == DType::kBFloat16 ? "uint16" : name_of(view.dtype);
  const py::capsule keeper(new std::shared_ptr<const void>(checkpoint.storage), [](void* storage) {
    delete static_cast<std::shared_ptr<const void>*>(storage);
  });
  py::array array(py::dtype(dtype), std::vector<py::ssize_t>(view.shape.begin(), view.shape.end()),
                  view.data, keeper);
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

ModelDims make_dims(int n_mels, int n_audio_ctx, int n_audio_state, int n_audio_head,
                    int n_audio_layer, int n_vocab, int n_text_ctx, int n_text_state,
                    int n_text_head, int n_text_layer) {
  return {n_mels,  n_audio_ctx, n_audio_state, n_audio_head, n_audio_layer,
          n_vocab, n_text_ctx,  n_text_state,  n_text_head,  n_text_layer};
}

py::tuple dims_tuple(const ModelDims& dims) {
  return py::make_tuple(dims.n_mels, dims.n_audio_ctx, dims.n_audio_state, dims.n_audio_head,
                        dims.n_audio_layer, dims.n_vocab, dims.n_text_ctx, dims.n_text_state,
                        dims.n_text_head, dims.n_text_layer);
}

void bind_dims(py::module_& module) {
  py::class_<ModelDims>(module, "ModelDims",
                        "What the network is: openai-whisper's ten numbers, frozen by the "
                        "checkpoint. Not checked before a Checkpoint or a Model is made of it.")
      .def(py::init(&make_dims), py::arg("n_mels"), py::arg("n_audio_ctx"),
           py::arg("n_audio_state"), py::arg("n_audio_head"), py::arg("n_audio_layer"),
           py::arg("n_vocab"), py::arg("n_text_ctx"), py::arg("n_text_state"),
           py::arg("n_text_head"), py::arg("n_text_layer"))
      .def_readonly("n_mels", &ModelDims::n_mels, "Mel bands: 80, or 128 from large-v3 on.")
      .def_readonly("n_audio_ctx", &ModelDims::n_audio_ctx, "Encoder positions of a window: 1500.")
      .def_readonly("n_audio_state", &ModelDims::n_audio_state, "Encoder width.")
      .def_readonly("n_audio_head", &ModelDims::n_audio_head, "Encoder attention heads.")
      .def_readonly("n_audio_layer", &ModelDims::n_audio_layer, "Encoder blocks.")
      .def_readonly("n_vocab", &ModelDims::n_vocab, "Rows of the token embedding.")
      .def_readonly("n_text_ctx", &ModelDims::n_text_ctx, "Decoder positions: 448.")
      .def_readonly("n_text_state", &ModelDims::n_text_state,
                    "Decoder width, equal to n_audio_state.")
      .def_readonly("n_text_head", &ModelDims::n_text_head, "Decoder attention heads.")
      .def_readonly("n_text_layer", &ModelDims::n_text_layer, "Decoder blocks.")
      .def_property_readonly("n_frames", &ModelDims::n_frames, "Mel frames of one window: 3000.")
      .def_property_readonly("is_multilingual", &ModelDims::is_multilingual)
      .def_property_readonly("n_languages", &ModelDims::n_languages, "99, or 100 from large-v3 on.")
      .def(py::self == py::self)
      .def("__hash__", [](const ModelDims& self) { return py::hash(dims_tuple(self)); })
      .def("__reduce__",
           [](const py::object& self) {
             return py::make_tuple(py::type::of(self), dims_tuple(self.cast<const ModelDims&>()));
           })
      .def("__repr__", &ModelDims::to_string);
}

void bind_checkpoint_class(py::module_& module) {
  py::class_<Checkpoint>(module, "Checkpoint",
                         "Dimensions and tensors, named as openai-whisper names them; not yet "
                         "packed. Immutable.")
      .def(py::init(&make_checkpoint), py::arg("dims"), py::arg("tensors"), py::kw_only(),
           py::arg("alignment_heads") = py::none(), py::arg("suppress_tokens") = py::tuple(),
           py::arg("source") = "memory",
           "Views the arrays, and keeps them alive: they must not be changed afterwards.\n\n"
           "tensors: name -> C-contiguous ndarray of float32, float16, or uint16 that holds the\n"
           "bits of bfloat16; the shapes are openai-whisper's and are checked by Model.\n"
           "alignment_heads: (layer, head) pairs, or None for the default of the dims.\n"
           "Raises LoadError for dims that describe no network, TypeError for another dtype,\n"
           "ShapeError for a strided array.")
      .def_static(
          "open", &open, py::arg("path"), py::arg("tensors") = py::none(),
          "Memory-maps a Hugging Face directory (config.json, model.safetensors or its\n"
          "shards, generation_config.json if there), a ggml file, or a safetensors file that\n"
          "is a whole model. tensors: those of a directory, under Hugging Face's names, that\n"
          "the caller has read. Raises LoadError naming the file or the tensor.")
      .def_property_readonly("dims", [](const Checkpoint& self) { return self.dims; })
      .def_property_readonly(
          "alignment_heads", [](const Checkpoint& self) { return to_pairs(self.alignment_heads); },
          "(layer, head) pairs, or None for the default of the dims.")
      .def_property_readonly("suppress_tokens",
                             [](const Checkpoint& self) { return self.suppress_tokens; })
      .def_property_readonly(
          "source", [](const Checkpoint& self) { return self.source; },
          "Where it came from, for messages.")
      .def("names", &names_of, "Names of the tensors, sorted.")
      .def("tensor", &tensor_array, py::arg("name"),
           "A read-only view, bfloat16 as uint16. Raises LoadError for an unknown name.")
      .def(
          "dtype",
          [](const Checkpoint& self, const std::string& name) {
            return name_of(find_tensor(self, name).dtype);
          },
          py::arg("name"),
          "\"float32\", \"float16\" or \"bfloat16\". Raises LoadError for an unknown name.");
}

void bind_vocabulary(py::module_& module) {
  using Pieces = std::vector<std::string>;
  using Special = std::map<std::string, int>;
  py::class_<Vocabulary>(module, "Vocabulary", "Token ids and their bytes. Immutable.")
      .def(py::init<const Pieces&, const Special&>(), py::arg("pieces"), py::arg("special"),
           "pieces: ordinary tokens by id, in the byte alphabet. special: ids by name. Raises\n"
           "LoadError for what `open` would not take in a file.")
      .def_static(
          "open", &Vocabulary::open, py::arg("path"), py::call_guard<ReleaseGil>(),
          "Reads a directory's tokenizer.json, vocab.json and added_tokens.json, or\n"
          "CTranslate2's vocabulary.json or vocabulary.txt; or a file that is a whole model.\n"
          "Raises LoadError.")
      .def("__len__", &Vocabulary::size)
      .def(
          "bytes", [](const Vocabulary& self, int token) { return py::bytes(self.bytes(token)); },
          py::arg("token"),
          "Bytes of one token; of a special token its name. Raises ShapeError if out of range.")
      .def("spelled", &Vocabulary::spelled, py::arg("token"),
           "The same as vocabulary files spell it: a printable character for each byte.")
      .def("is_byte_level", &Vocabulary::is_byte_level, py::arg("end"),
           "Whether all ids below `end` are ordinary tokens, every single byte among them.")
      .def("special", &Vocabulary::special, py::arg("name"),
           "The id of a special token by its name (\"<|startoftranscript|>\"), or None.")
      .def("decode", &Vocabulary::decode, py::arg("tokens"),
           "Text of the tokens below <|endoftext|>; invalid UTF-8 becomes U+FFFD.")
      .def(
          "encode",
          [](const Vocabulary& self, const py::str& text) {
            const std::string utf8 = text;  // a lone surrogate raises UnicodeEncodeError
            const ReleaseGil release;
            return self.encode(utf8);
          },
          py::arg("text"),
          "Ids of a text; names of special tokens in it are only text. Raises UnicodeEncodeError\n"
          "for lone surrogates, LoadError for a byte that is no token.");
}

}  // namespace

void bind_checkpoint(py::module_& module) {
  bind_dims(module);
  bind_checkpoint_class(module);
  module.def(
      "checkpoint_identity", &checkpoint_identity, py::arg("path"), py::call_guard<ReleaseGil>(),
      "A text that changes whenever a model's file, or the files of its directory, do. Raises\n"
      "LoadError if they cannot be read.");
  bind_vocabulary(module);
  module.def("special_names", &special_names, py::arg("n_vocab"),
             "Names and ids of the special tokens of a model of so many tokens, without the\n"
             "timestamps; empty for a size that no released model has.");
}

}  // namespace sottovoce::bind
