// The dictionary between Hugging Face's tensor names and openai-whisper's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sottovoce {

// "model.encoder.layers.0.self_attn.q_proj.weight" -> "encoder.blocks.0.attn.query.weight", with or
// without the "model." and the names of wrappers in front; nothing for a name that the network has
// no use for.
std::optional<std::string> reference_name(std::string_view huggingface_name);

}  // namespace sottovoce
