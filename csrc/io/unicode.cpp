// A search in the sorted ranges that tools/make_unicode_ranges.py writes.
#include "unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace sottovoce {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
  CharClass kind;
};

constexpr CharClass L = CharClass::kLetter;
constexpr CharClass N = CharClass::kNumber;
constexpr CharClass S = CharClass::kSpace;

constexpr Range kRanges[] = {
#include "unicode_ranges.inl"
};

}  // namespace

CharClass class_of(char32_t code) {
  const auto* const range =
      std::lower_bound(std::begin(kRanges), std::end(kRanges), code,
                       [](const Range& r, char32_t sought) { return r.last < sought; });
  return range != std::end(kRanges) && range->first <= code ? range->kind : CharClass::kOther;
}

}  // namespace sottovoce
