// GPT-2's pattern by hand: an English ending, a run of one class with the space before it, or white
// space without the last character, which goes with the word that follows.
#include "words.h"

#include <cstddef>

#include "unicode.h"
#include "utf8.h"

namespace sottovoce {
namespace {

constexpr std::string_view kEndings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};

// A run of characters of one class.
struct Run {
  std::size_t last = 0;  // where its last character starts
  std::size_t end = 0;
};

Utf8Step step_at(std::string_view text, std::size_t at) {
  return next_code_point(text.data() + at, text.data() + text.size());
}

Run run_at(std::string_view text, std::size_t at, CharClass kind) {
  Run run{at, at};
  while (run.end < text.size()) {
    const Utf8Step step = step_at(text, run.end);
    if (class_of(step.code) != kind) break;
    run = {run.end, run.end + static_cast<std::size_t>(step.n_bytes)};
  }
  return run;
}

}  // namespace

std::string_view first_word(std::string_view text) {
  for (const std::string_view ending : kEndings) {
    if (text.substr(0, ending.size()) == ending) return text.substr(0, ending.size());
  }
  const std::size_t start = text.front() == ' ' ? 1 : 0;
  if (start < text.size()) {
    const CharClass kind = class_of(step_at(text, start).code);
    if (kind != CharClass::kSpace) return text.substr(0, run_at(text, start, kind).end);
  }
  const Run space = run_at(text, 0, CharClass::kSpace);
  const bool a_word_follows = space.end < text.size() && space.last > 0;
  return text.substr(0, a_word_follows ? space.last : space.end);
}

}  // namespace sottovoce
