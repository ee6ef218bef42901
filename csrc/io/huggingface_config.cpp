// config.json and generation_config.json: Hugging Face's words into the reference's.
#include <cstdint>
#include <limits>

#include <sottovoce/error.h>

#include "huggingface.h"

namespace sottovoce::huggingface {
namespace {

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw LoadError(file + ": " + what);
}

[[noreturn]] void fail_kind(const std::string& file, const std::string& field, const char* expected,
                            const json::Value& got) {
  fail(file, field + " must be " + expected + ", got " + got.kind());
}

int read_int(const json::Value& value, const std::string& file, const std::string& field) {
  const std::int64_t* n = value.integer();
  if (n == nullptr) fail_kind(file, field, "an integer", value);
  if (*n < std::numeric_limits<int>::min() || *n > std::numeric_limits<int>::max()) {
    fail(file, field + "=" + std::to_string(*n) + " does not fit 32 bits");
  }
  return static_cast<int>(*n);
}

int require_int(const json::Value& config, const std::string& file, const char* field) {
  const json::Value* value = config.find(field);
  if (value == nullptr) fail(file, std::string("has no ") + field);
  return read_int(*value, file, field);
}

// The array of that name; null if absent or null, which Hugging Face writes for "not set".
const json::Array* find_array(const json::Value& config, const std::string& file,
                              const char* field) {
  const json::Value* value = config.find(field);
  if (value == nullptr || value->is_null()) return nullptr;
  if (value->array() == nullptr) fail_kind(file, field, "an array", *value);
  return value->array();
}

// Options that would make it another network than the one this engine computes.
void check_architecture(const json::Value& config, const std::string& file) {
  const json::Value* type = config.find("model_type");
  if (type == nullptr || type->string() == nullptr) fail(file, "has no model_type");
  if (*type->string() != "whisper") {
    fail(file, "model_type must be 'whisper', got '" + *type->string() + "'");
  }
  const json::Value* activation = config.find("activation_function");
  if (activation != nullptr && activation->string() != nullptr && *activation->string() != "gelu") {
    fail(file, "activation_function must be 'gelu', got '" + *activation->string() + "'");
  }
  const json::Value* scaled = config.find("scale_embedding");
  if (scaled != nullptr && scaled->boolean() != nullptr && *scaled->boolean()) {
    fail(file, "scale_embedding must be false, got true");
  }
}

}  // namespace

ModelDims read_dims(const json::Value& config, const std::string& file) {
  if (config.object() == nullptr)
    fail(file, std::string("must hold an object, got ") + config.kind());
  check_architecture(config, file);
  ModelDims dims;
  dims.n_mels =
      config.find("num_mel_bins") == nullptr ? 80 : require_int(config, file, "num_mel_bins");
  dims.n_audio_ctx = require_int(config, file, "max_source_positions");
  dims.n_audio_state = require_int(config, file, "d_model");
  dims.n_audio_head = require_int(config, file, "encoder_attention_heads");
  dims.n_audio_layer = require_int(config, file, "encoder_layers");
  dims.n_vocab = require_int(config, file, "vocab_size");
  dims.n_text_ctx = require_int(config, file, "max_target_positions");
  dims.n_text_state = dims.n_audio_state;
  dims.n_text_head = require_int(config, file, "decoder_attention_heads");
  dims.n_text_layer = require_int(config, file, "decoder_layers");
  try {
    dims.validate();
  } catch (const LoadError& error) {
    fail(file, error.what());
  }
  return dims;
}

// Ids outside the vocabulary count for nothing: -1, which stands for the non-speech tokens that a
// decoder leaves out anyhow, and those of another model.
std::vector<int> read_suppress_tokens(const json::Value& config, const std::string& file,
                                      const ModelDims& dims) {
  const json::Array* array = find_array(config, file, "suppress_tokens");
  std::vector<int> tokens;
  if (array == nullptr) return tokens;
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string field = "suppress_tokens[" + std::to_string(i) + "]";
    const int token = read_int((*array)[i], file, field);
    if (token >= 0 && token < dims.n_vocab) tokens.push_back(token);
  }
  return tokens;
}

// A distilled model may ship the list of its teacher, which names layers that it does not have
// (argmaxinc/whisperkittools#45). Its text is fine all the same, so such a list counts as none.
std::optional<std::vector<LayerHead>> read_alignment_heads(const json::Value& config,
                                                           const std::string& file,
                                                           const ModelDims& dims) {
  const json::Array* array = find_array(config, file, "alignment_heads");
  if (array == nullptr) return std::nullopt;
  std::vector<LayerHead> heads;
  bool fits = !array->empty();
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string field = "alignment_heads[" + std::to_string(i) + "]";
    const json::Array* pair = (*array)[i].array();
    if (pair == nullptr || pair->size() != 2) fail(file, field + " must be [layer, head]");
    const LayerHead head{read_int((*pair)[0], file, field), read_int((*pair)[1], file, field)};
    fits = fits && head.layer >= 0 && head.layer < dims.n_text_layer && head.head >= 0 &&
           head.head < dims.n_text_head;
    heads.push_back(head);
  }
  if (!fits) return std::nullopt;
  return heads;
}

}  // namespace sottovoce::huggingface
