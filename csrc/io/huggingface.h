// Reading the JSON files of a Hugging Face directory: fields with the kind they must have.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sottovoce/checkpoint.h>

#include "json.h"

namespace sottovoce::huggingface {

// Metadata of a safetensors file that is a whole model: the texts of config.json, of
// generation_config.json and of a tokenizer.json.
inline constexpr const char* kConfigText = "sottovoce.config";
inline constexpr const char* kGenerationText = "sottovoce.generation_config";
inline constexpr const char* kTokenizerText = "sottovoce.tokenizer";

// config.json: the ten dims, translated and validated. `file` is its path, for messages.
ModelDims read_dims(const json::Value& config, const std::string& file);

// `suppress_tokens` of generation_config.json, or of config.json where older files keep it.
std::vector<int> read_suppress_tokens(const json::Value& config, const std::string& file,
                                      const ModelDims& dims);

// `alignment_heads`; nothing if absent or if they belong to another network.
std::optional<std::vector<LayerHead>> read_alignment_heads(const json::Value& config,
                                                           const std::string& file,
                                                           const ModelDims& dims);

}  // namespace sottovoce::huggingface
