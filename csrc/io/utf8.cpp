// UTF-8 decoding of a single code point, with the maximal-subpart rule for what is ill-formed.
#include "utf8.h"

#include <cstdint>

namespace sottovoce {
namespace {

// What a lead byte promises: sequence length (0: never a lead byte), and the range of the second
// byte, which keeps out overlong forms, surrogates and values above U+10FFFF.
struct Lead {
  int n_bytes;
  std::uint8_t second_low;
  std::uint8_t second_high;
};

Lead classify(std::uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Step next_code_point(const char* text, const char* end) {
  const auto first = static_cast<std::uint8_t>(*text);
  const Lead lead = classify(first);
  if (lead.n_bytes == 0) return {1, false, 0};
  if (lead.n_bytes == 1) return {1, true, first};
  char32_t code = first & (0x7F >> lead.n_bytes);
  for (int i = 1; i < lead.n_bytes; ++i) {
    if (text + i == end) return {i, false, 0};
    const auto byte = static_cast<std::uint8_t>(text[i]);
    const std::uint8_t low = i == 1 ? lead.second_low : std::uint8_t{0x80};
    const std::uint8_t high = i == 1 ? lead.second_high : std::uint8_t{0xBF};
    if (byte < low || byte > high) return {i, false, 0};
    code = (code << 6) | (byte & 0x3F);
  }
  return {lead.n_bytes, true, code};
}

}  // namespace sottovoce
