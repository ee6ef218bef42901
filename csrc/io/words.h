// GPT-2's words: what byte-pair encoding never merges across.
#pragma once

#include <string_view>

namespace sottovoce {

// The first word of `text`, which is valid UTF-8 and not empty. It is what GPT-2's pattern matches,
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// and the words of a text, one after the other, are the whole text.
std::string_view first_word(std::string_view text);

}  // namespace sottovoce
