// Token ids as files of many formats list them, before they are a Vocabulary.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sottovoce {

inline constexpr const char* kEndOfText = "<|endoftext|>";

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

// Reads the vocabulary of a model's directory or file, or a .tiktoken file. Throws LoadError.
TokenFile read_tokens(const std::string& path);

// The same of tokens in memory, with the checks of a file: pieces by id, special ids by name.
TokenFile tokens_in_memory(const std::vector<std::string>& pieces,
                           const std::map<std::string, int>& special);

}  // namespace sottovoce
