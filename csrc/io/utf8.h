// One step through UTF-8, as the Unicode standard (table 3-7) allows it.
#pragma once

namespace sottovoce {

// The next sequence of `text`: a whole code point, or the bytes that one U+FFFD stands for.
struct Utf8Step {
  int n_bytes = 0;  // 1 to 4; at least 1 also when not valid
  bool valid = false;
  char32_t code = 0;  // if valid
};

// `text` < `end`. An ill-formed step covers the maximal subpart: the longest prefix of a code point
// that the bytes could have been, or one byte. Python's errors="replace" cuts at the same places.
Utf8Step next_code_point(const char* text, const char* end);

}  // namespace sottovoce
