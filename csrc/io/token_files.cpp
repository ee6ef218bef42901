// A reader a format: tokenizer.json, vocab.json, CTranslate2's lists, ggml, .tiktoken, and the
// metadata of a safetensors file. What the ids mean together is told in vocabulary.cpp.
#include "token_files.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <sottovoce/checkpoint.h>
#include <sottovoce/error.h>

#include "ggml.h"
#include "huggingface.h"
#include "json.h"
#include "mapped_file.h"
#include "safetensors.h"

namespace sottovoce {
namespace {

constexpr std::int64_t kMaxId = (1 << 20) - 1;  // ModelDims allows as many rows

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw LoadError(file + ": " + what);
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Without the merges of tokenizer.json, half of its size: they follow from the ids.
json::Value read_json(const std::string& path) { return json::read(path, "merges"); }

int check_id(std::int64_t id, const std::string& token, const std::string& path) {
  if (id < 0 || id > kMaxId) {
    fail(path, "token '" + token + "' needs an id in 0.." + std::to_string(kMaxId));
  }
  return static_cast<int>(id);
}

int read_id(const json::Value* value, const std::string& token, const std::string& path) {
  const std::int64_t* id = value == nullptr ? nullptr : value->integer();
  return check_id(id == nullptr ? -1 : *id, token, path);
}

std::vector<std::pair<std::string, int>> read_ids(const json::Value* vocab,
                                                  const std::string& path) {
  if (vocab == nullptr || vocab->object() == nullptr) {
    fail(path, "has no object that maps tokens to ids");
  }
  std::vector<std::pair<std::string, int>> ids;
  ids.reserve(vocab->object()->size());
  for (const json::Member& member : *vocab->object()) {
    ids.emplace_back(member.key, read_id(&member.value, member.key, path));
  }
  return ids;
}

AddedToken read_added(const json::Value& value, const std::string& path) {
  const json::Value* content = value.find("content");
  if (content == nullptr || content->string() == nullptr) {
    fail(path, "an added token has no string 'content'");
  }
  const json::Value* special = value.find("special");
  const std::string& name = *content->string();
  return {name, read_id(value.find("id"), name, path),
          special == nullptr || special->boolean() == nullptr || *special->boolean()};
}

// tokenizer.json of the tokenizers library: {"model": {"vocab": {...}}, "added_tokens": [...]}.
TokenFile tokenizer_of(const json::Value& root, const std::string& path) {
  TokenFile file{path, {}, {}};
  const json::Value* model = root.find("model");
  file.spelled = read_ids(model == nullptr ? nullptr : model->find("vocab"), path);
  const json::Value* added = root.find("added_tokens");
  if (added == nullptr || added->array() == nullptr) fail(path, "has no array 'added_tokens'");
  for (const json::Value& value : *added->array()) file.added.push_back(read_added(value, path));
  return file;
}

// The older pair: {"!": 0, ...} and {"<|en|>": 50259, ...}.
TokenFile read_vocab_json(const std::string& path, const std::string& added_path) {
  const json::Value vocab = read_json(path);
  TokenFile file{path, read_ids(&vocab, path), {}};
  if (!is_file(added_path)) return file;
  const json::Value added = read_json(added_path);
  for (auto& [name, id] : read_ids(&added, added_path)) file.added.push_back({name, id, true});
  return file;
}

// CTranslate2's lists, a token an id; special tokens are among them.
void add_listed(TokenFile& file, const std::string& token) {
  const auto id = static_cast<int>(file.spelled.size() + file.added.size());
  constexpr std::size_t kBrackets = 4;
  const bool is_special =
      token.size() > kBrackets && token.compare(0, 2, "<|") == 0 && ends_with(token, "|>");
  if (is_special) {
    file.added.push_back({token, check_id(id, token, file.path), true});
  } else {
    file.spelled.emplace_back(token, check_id(id, token, file.path));
  }
}

TokenFile read_vocabulary_txt(const std::string& path) {
  TokenFile file{path, {}, {}};
  const std::string text = read_file(path, json::kMostBytes);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view token = rest.substr(0, end);
    if (!token.empty() && token.back() == '\r') token.remove_suffix(1);
    add_listed(file, std::string(token));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return file;
}

TokenFile read_vocabulary_json(const std::string& path) {
  const json::Value root = json::read(path);
  if (root.array() == nullptr) fail(path, std::string("must hold an array, got ") + root.kind());
  TokenFile file{path, {}, {}};
  for (const json::Value& token : *root.array()) {
    if (token.string() == nullptr) {
      fail(path, std::string("must hold texts, got ") + token.kind());
    }
    add_listed(file, *token.string());
  }
  return file;
}

// ggml's tokens are bytes, those before <|endoftext|>; the special ones follow from their number.
TokenFile read_ggml(const std::string& path) {
  ggml::Tokens tokens = ggml::read_tokens(path);
  const std::map<std::string, int> special = special_names(tokens.n_vocab);
  if (special.empty()) {
    fail(path,
         "n_vocab must be 51864 (English-only), 51865 (multilingual) or 51866 (large-v3), got " +
             std::to_string(tokens.n_vocab));
  }
  const auto n_pieces = static_cast<std::size_t>(special.at(kEndOfText));
  if (tokens.pieces.size() < n_pieces) {
    fail(path, "must have " + std::to_string(n_pieces) + " tokens at least, got " +
                   std::to_string(tokens.pieces.size()));
  }
  tokens.pieces.resize(n_pieces);
  TokenFile file{path, {}, {}, std::move(tokens.pieces)};
  for (const auto& [name, id] : special) file.added.push_back({name, id, true});
  return file;
}

// -1: no character of base64.
int sixth(char character) {
  constexpr std::string_view kCharacters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t found = kCharacters.find(character);
  return found == std::string_view::npos ? -1 : static_cast<int>(found);
}

std::string from_base64(std::string_view text, const std::string& path) {
  std::string bytes;
  unsigned bits = 0;
  int n_bits = 0;
  for (const char character : text.substr(0, text.find('='))) {
    const int value = sixth(character);
    if (value < 0) fail(path, "must be base64 and an id a line, got '" + std::string(text) + "'");
    bits = bits << 6 | static_cast<unsigned>(value);
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    bytes += static_cast<char>(bits >> n_bits & 255);
  }
  return bytes;
}

// openai-whisper's: a line a token, its bytes in base64, a space, and its id, which counts up.
// <|endoftext|> follows the last; the other special tokens depend on the model.
TokenFile read_tiktoken(const std::string& path) {
  TokenFile file{path, {}, {}};
  const std::string text = read_file(path, json::kMostBytes);
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::string id = " " + std::to_string(file.bytes.size());
    if (line.size() < id.size() || line.substr(line.size() - id.size()) != id) {
      fail(path,
           "line " + std::to_string(file.bytes.size() + 1) + " must be base64 and the id" + id);
    }
    file.bytes.push_back(from_base64(line.substr(0, line.size() - id.size()), path));
  }
  const auto n = static_cast<std::int64_t>(file.bytes.size());
  file.added.push_back({kEndOfText, check_id(n, kEndOfText, path), true});
  return file;
}

TokenFile read_whole(const std::string& path) {
  const SafetensorsFile weights(path);
  const auto text = weights.metadata().find(huggingface::kTokenizerText);
  if (text == weights.metadata().end()) {
    fail(path, std::string("has no ") + huggingface::kTokenizerText + " in its metadata");
  }
  return tokenizer_of(json::parse(text->second, path + ": " + text->first, "merges"), path);
}

}  // namespace

TokenFile read_tokens(const std::string& path) {
  if (ggml::is_ggml(path)) return read_ggml(path);
  if (ends_with(path, ".tiktoken")) return read_tiktoken(path);
  if (is_file(path)) return read_whole(path);
  const auto in = [&](const char* name) { return path + "/" + name; };
  if (is_file(in("tokenizer.json"))) {
    return tokenizer_of(read_json(in("tokenizer.json")), in("tokenizer.json"));
  }
  if (is_file(in("vocab.json"))) {
    return read_vocab_json(in("vocab.json"), in("added_tokens.json"));
  }
  if (is_file(in("vocabulary.json"))) return read_vocabulary_json(in("vocabulary.json"));
  if (is_file(in("vocabulary.txt"))) return read_vocabulary_txt(in("vocabulary.txt"));
  throw LoadError(
      "Vocabulary: '" + path +
      "' has neither tokenizer.json nor vocab.json, nor a vocabulary.txt of CTranslate2");
}

TokenFile tokens_in_memory(const std::vector<std::string>& pieces,
                           const std::map<std::string, int>& special) {
  TokenFile file{"Vocabulary", {}, {}};
  for (const std::string& piece : pieces) {
    const auto id = static_cast<std::int64_t>(file.spelled.size());
    file.spelled.emplace_back(piece, check_id(id, piece, file.path));
  }
  for (const auto& [name, id] : special) {
    file.added.push_back({name, check_id(id, name, file.path), true});
  }
  return file;
}

}  // namespace sottovoce
