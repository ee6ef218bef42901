// Translates tensor names by two tables: whole names outside the blocks, parts of a block inside.
#include "tensor_names.h"

#include <algorithm>

namespace sottovoce {
namespace {

struct Word {
  std::string_view theirs;
  std::string_view ours;
};

// Without the last word, ".weight" or ".bias".
constexpr Word kOutside[] = {
    {"encoder.conv1", "encoder.conv1"},        {"encoder.conv2", "encoder.conv2"},
    {"encoder.layer_norm", "encoder.ln_post"}, {"decoder.embed_tokens", "decoder.token_embedding"},
    {"decoder.layer_norm", "decoder.ln"},
};

constexpr Word kInBlock[] = {
    {"self_attn.q_proj", "attn.query"},
    {"self_attn.k_proj", "attn.key"},
    {"self_attn.v_proj", "attn.value"},
    {"self_attn.out_proj", "attn.out"},
    {"self_attn_layer_norm", "attn_ln"},
    {"encoder_attn.q_proj", "cross_attn.query"},
    {"encoder_attn.k_proj", "cross_attn.key"},
    {"encoder_attn.v_proj", "cross_attn.value"},
    {"encoder_attn.out_proj", "cross_attn.out"},
    {"encoder_attn_layer_norm", "cross_attn_ln"},
    {"fc1", "mlp.0"},
    {"fc2", "mlp.2"},
    {"final_layer_norm", "mlp_ln"},
};

bool accept(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

template <std::size_t n>
std::optional<std::string> translate(const Word (&words)[n], std::string_view theirs) {
  for (const Word& word : words) {
    if (word.theirs == theirs) return std::string(word.ours);
  }
  return std::nullopt;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// `rest` is what follows "encoder.layers.": "0.self_attn.q_proj".
std::optional<std::string> block_name(std::string_view stack, std::string_view rest) {
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos || !is_number(rest.substr(0, dot))) return std::nullopt;
  const auto part = translate(kInBlock, rest.substr(dot + 1));
  if (!part) return std::nullopt;
  return std::string(stack) + ".blocks." + std::string(rest.substr(0, dot)) + "." + *part;
}

std::optional<std::string> stem_name(std::string_view stem) {
  for (const std::string_view stack : {"encoder", "decoder"}) {
    std::string_view rest = stem;
    if (accept(rest, stack) && accept(rest, ".layers.")) return block_name(stack, rest);
  }
  return translate(kOutside, stem);
}

}  // namespace

std::optional<std::string> reference_name(std::string_view huggingface_name) {
  std::string_view name = huggingface_name;
  // What torch.compile, DataParallel and PEFT put in front, in any order.
  while (accept(name, "_orig_mod.") || accept(name, "module.") ||
         accept(name, "base_model.model.")) {
  }
  accept(name, "model.");
  // Buffers of their own in the reference, and so without a last word.
  if (name == "encoder.embed_positions.weight") return "encoder.positional_embedding";
  if (name == "decoder.embed_positions.weight") return "decoder.positional_embedding";
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view last = name.substr(dot);
  if (last != ".weight" && last != ".bias") return std::nullopt;
  const auto stem = stem_name(name.substr(0, dot));
  if (!stem) return std::nullopt;
  return *stem + std::string(last);
}

}  // namespace sottovoce
