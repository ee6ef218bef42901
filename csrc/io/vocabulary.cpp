// Vocabulary: what each token id stands for, in bytes. The files spell the bytes of a token with a
// printable alphabet of 256 characters (GPT-2's); here they become bytes again. How text becomes
// ids is told in words.cpp and byte_pairs.cpp.
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <sottovoce/checkpoint.h>
#include <sottovoce/error.h>

#include "byte_pairs.h"
#include "token_files.h"
#include "utf8.h"
#include "words.h"

namespace sottovoce {
namespace {

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
    : Vocabulary(Table(tokens_in_memory(pieces, special))) {}

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
