// Vocabulary: what each token id stands for, in bytes. The files spell the bytes of a token with a
// printable alphabet of 256 characters (GPT-2's); here they become bytes again. How text becomes
// ids is told in words.cpp and byte_pairs.cpp.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include <sottovoce/checkpoint.h>
#include <sottovoce/error.h>

#include "byte_pairs.h"
#include "ggml.h"
#include "huggingface.h"
#include "json.h"
#include "mapped_file.h"
#include "safetensors.h"
#include "utf8.h"
#include "words.h"

namespace sottovoce {
namespace {

constexpr std::int64_t kMaxId = (1 << 20) - 1;  // ModelDims allows as many rows
constexpr const char* kEndOfText = "<|endoftext|>";
constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw LoadError(file + ": " + what);
}

// Characters of the alphabet run up to U+0143. A printable byte of Latin-1 stands for itself; the
// 68 others, in ascending order, for U+0100 and up.
constexpr int kAlphabetEnd = 256 + 68;

bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// The byte of each character, -1 if it is not in the alphabet.
std::array<int, kAlphabetEnd> make_alphabet() {
  std::array<int, kAlphabetEnd> byte_of{};
  byte_of.fill(-1);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) byte_of[stands_for_itself(byte) ? byte : next++] = byte;
  return byte_of;
}

std::string to_utf8(int code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

std::string to_bytes(const std::string& spelled, const std::string& file) {
  static const std::array<int, kAlphabetEnd> byte_of = make_alphabet();
  std::string bytes;
  const char* const end = spelled.data() + spelled.size();
  for (const char* p = spelled.data(); p != end;) {
    const Utf8Step step = next_code_point(p, end);  // code 0, not in the alphabet, if not valid
    if (step.code >= kAlphabetEnd || byte_of[step.code] < 0) {
      fail(file, "token '" + spelled + "' is not spelled in the byte alphabet");
    }
    bytes += static_cast<char>(byte_of[step.code]);
    p += step.n_bytes;
  }
  return bytes;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

struct AddedToken {
  std::string name;
  int id = 0;
  bool special = true;
};

// Tokens as a file gives them: `spelled` in the byte alphabet, `bytes` by id and `added` as they
// are.
struct TokenFile {
  std::string path;  // for messages
  std::vector<std::pair<std::string, int>> spelled;
  std::vector<AddedToken> added;
  std::vector<std::string> bytes = {};
};

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

TokenFile in_memory(const std::vector<std::string>& pieces,
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

// <|endoftext|> is spelled in some files and added in others; either way it is special.
void mark_end_of_text(TokenFile& file) {
  for (const AddedToken& token : file.added) {
    if (token.name == kEndOfText) return;
  }
  for (const auto& [spelled, id] : file.spelled) {
    if (spelled == kEndOfText) {
      file.added.push_back({kEndOfText, id, true});
      return;
    }
  }
  fail(file.path, std::string("has no token ") + kEndOfText);
}

int largest_id(const TokenFile& file) {
  int largest = 0;
  for (const auto& token : file.spelled) largest = std::max(largest, token.second);
  for (const AddedToken& token : file.added) largest = std::max(largest, token.id);
  return std::max(largest, static_cast<int>(file.bytes.size()) - 1);
}

void append_as_text(const std::string& bytes, std::string& text) {
  const char* const end = bytes.data() + bytes.size();
  for (const char* p = bytes.data(); p != end;) {
    const Utf8Step step = next_code_point(p, end);
    if (step.valid) {
      text.append(p, static_cast<std::size_t>(step.n_bytes));
    } else {
      text += kReplacement;
    }
    p += step.n_bytes;
  }
}

void check_utf8(const std::string& text) {
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p != end;) {
    const Utf8Step step = next_code_point(p, end);
    if (!step.valid) {
      throw ShapeError("encode: text must be UTF-8, got the byte " +
                       std::to_string(static_cast<unsigned char>(*p)) + " at " +
                       std::to_string(p - text.data()));
    }
    p += step.n_bytes;
  }
}

}  // namespace

// The members of a Vocabulary in the making.
struct Vocabulary::Table {
  explicit Table(TokenFile file)
      : bytes(static_cast<std::size_t>(largest_id(file)) + 1),
        is_special(bytes.size()),
        is_taken(bytes.size()),
        source(file.path) {
    mark_end_of_text(file);
    for (const AddedToken& token : file.added) add(token, file.path);
    for (const auto& [spelled, id] : file.spelled) {
      const auto added =
          is_taken[static_cast<std::size_t>(id)] ? special.find(spelled) : special.end();
      const bool in_both_lists = added != special.end() && added->second == id;
      if (!in_both_lists) claim(id, spelled, file.path) = to_bytes(spelled, file.path);
    }
    for (std::size_t id = 0; id < file.bytes.size(); ++id) {
      claim(static_cast<int>(id), file.bytes[id], file.path) = file.bytes[id];
    }
    // Hugging Face renamed the token; both names find it.
    const auto captions = special.find("<|nocaptions|>");
    if (captions != special.end()) special.emplace("<|nospeech|>", captions->second);
  }

  void add(const AddedToken& token, const std::string& path) {
    claim(token.id, token.name, path) = token.name;
    is_special[static_cast<std::size_t>(token.id)] = token.special;
    if (!special.emplace(token.name, token.id).second) {
      fail(path, "added token '" + token.name + "' stands twice");
    }
  }

  std::string& claim(int id, const std::string& token, const std::string& path) {
    const auto index = static_cast<std::size_t>(id);
    if (is_taken[index]) {
      fail(path, "id " + std::to_string(id) + " of token '" + token + "' stands twice");
    }
    is_taken[index] = true;
    return bytes[index];
  }

  // What text is made of: the ordinary tokens below <|endoftext|>, the others empty.
  BytePairs byte_pairs() const {
    std::vector<std::string> pieces(bytes.begin(), bytes.begin() + special.at(kEndOfText));
    for (std::size_t id = 0; id < pieces.size(); ++id) {
      if (is_special[id]) pieces[id].clear();
    }
    return BytePairs(pieces, source);
  }

  std::vector<std::string> bytes;      // by id
  std::vector<bool> is_special;        // by id
  std::vector<bool> is_taken;          // by id
  std::map<std::string, int> special;  // by name
  std::string source;                  // for messages
};

Vocabulary::Vocabulary(Table table)
    : byte_pairs_(std::make_shared<const BytePairs>(table.byte_pairs())) {
  bytes_ = std::move(table.bytes);
  is_special_ = std::move(table.is_special);
  is_taken_ = std::move(table.is_taken);
  special_ = std::move(table.special);
}

Vocabulary::Vocabulary(const std::vector<std::string>& pieces,
                       const std::map<std::string, int>& special)
    : Vocabulary(Table(in_memory(pieces, special))) {}

Vocabulary Vocabulary::open(const std::string& path) {
  return Vocabulary(Table(read_tokens(path)));
}

const std::string& Vocabulary::bytes(int token) const {
  if (token < 0 || token >= size()) {
    throw ShapeError("Vocabulary: token must be in 0.." + std::to_string(size() - 1) + ", got " +
                     std::to_string(token));
  }
  return bytes_[static_cast<std::size_t>(token)];
}

std::string Vocabulary::spelled(int token) const {
  static const std::array<int, kAlphabetEnd> byte_of = make_alphabet();
  std::string text;
  for (const char byte : bytes(token)) {
    const auto* const character =
        std::find(byte_of.begin(), byte_of.end(), static_cast<unsigned char>(byte));
    text += to_utf8(static_cast<int>(character - byte_of.begin()));
  }
  return text;
}

bool Vocabulary::is_byte_level(int end) const {
  std::array<bool, 256> single{};
  for (int token = 0; token < end; ++token) {
    const auto index = static_cast<std::size_t>(token);
    if (token >= size() || !is_taken_[index] || is_special_[index]) return false;
    const std::string& piece = bytes_[index];
    if (piece.size() == 1) single[static_cast<unsigned char>(piece.front())] = true;
  }
  return std::all_of(single.begin(), single.end(), [](bool there) { return there; });
}

std::optional<int> Vocabulary::special(const std::string& name) const {
  const auto found = special_.find(name);
  if (found == special_.end()) return std::nullopt;
  return found->second;
}

// Everything from <|endoftext|> on speaks to the decoder: control tokens, and timestamps, which
// files may leave out of the list (so that an id past its end is nothing strange).
std::string Vocabulary::decode(const std::vector<int>& tokens) const {
  const int end_of_text = special_.at(kEndOfText);
  std::string joined;
  for (const int token : tokens) {
    if (token >= end_of_text) continue;
    const std::string& piece = bytes(token);
    if (!is_special_[static_cast<std::size_t>(token)]) joined += piece;
  }
  std::string text;
  append_as_text(joined, text);
  return text;
}

std::vector<int> Vocabulary::encode(const std::string& text) const {
  check_utf8(text);
  std::vector<int> tokens;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view word = first_word(rest);
    byte_pairs_->append(word, tokens);
    rest.remove_prefix(word.size());
  }
  return tokens;
}

}  // namespace sottovoce
