// Recursive descent over a byte range, at most kMaxDepth deep, so that a file of brackets cannot
// exhaust the stack. Members are sorted once an object is complete: finding one is a binary search,
// and a key that stands twice, where readers disagree about the meaning, is seen and refused.
#include "json.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include <sottovoce/error.h>

#include "mapped_file.h"
#include "utf8.h"

namespace sottovoce::json {
namespace {

constexpr int kMaxDepth = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, char32_t code) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12), tail(6), tail(0);
  }
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& file, std::string_view unwanted)
      : begin_(text.data()),
        p_(begin_),
        end_(begin_ + text.size()),
        file_(file),
        unwanted_(unwanted) {}

  Value document() {
    Value value = parse_value(0);
    skip_space();
    if (p_ != end_) fail("expected the end of the document");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw LoadError(file_ + ": byte " + std::to_string(p_ - begin_) + ": " + what);
  }

  char peek() const { return p_ == end_ ? '\0' : *p_; }  // a NUL in the text fits no rule either

  void skip_space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }

  bool accept(char c) {
    skip_space();
    if (peek() != c || p_ == end_) return false;
    ++p_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(std::string("expected '") + c + "'");
  }

  Value parse_value(int depth) {
    if (depth > kMaxDepth) fail("nested deeper than " + std::to_string(kMaxDepth));
    skip_space();
    switch (peek()) {
      case '{':
        return Value(parse_object(depth));
      case '[':
        return Value(parse_array(depth));
      case '"':
        return Value(parse_string());
      case 't':
        return literal("true", Value(true));
      case 'f':
        return literal("false", Value(false));
      case 'n':
        return literal("null", Value());
      default:
        return parse_number();
    }
  }

  Value literal(std::string_view word, Value value) {
    const auto left = static_cast<std::size_t>(end_ - p_);
    if (std::string_view(p_, std::min(left, word.size())) != word) fail("expected a value");
    p_ += word.size();
    return value;
  }

  Array parse_array(int depth) {
    Array values;
    expect('[');
    if (accept(']')) return values;
    do {
      values.push_back(parse_value(depth + 1));
    } while (accept(','));
    expect(']');
    return values;
  }

  Object parse_object(int depth) {
    Object members;
    expect('{');
    if (accept('}')) return members;
    do {
      skip_space();
      std::string key = parse_string();
      expect(':');
      skip_space();
      if (peek() == '[' && !unwanted_.empty() && key == unwanted_) {
        skip_value(depth + 1);
      } else {
        members.push_back({std::move(key), parse_value(depth + 1)});
      }
    } while (accept(','));
    expect('}');
    sort(members);
    return members;
  }

  // Checks a value and makes nothing of it.
  void skip_value(int depth) {
    skip_space();
    if (peek() == '"') {
      parse_string();
    } else if (peek() != '[') {
      parse_value(depth);
    } else if (depth > kMaxDepth) {
      fail("nested deeper than " + std::to_string(kMaxDepth));
    } else {
      expect('[');
      if (accept(']')) return;
      do {
        skip_value(depth + 1);
      } while (accept(','));
      expect(']');
    }
  }

  // Vocabularies have 50,000 members: numbers are compared, and few strings; each is moved once.
  void sort(Object& members) const {
    struct Place {
      std::uint64_t head;  // the first bytes of the key, in their order
      std::size_t index;
    };
    std::vector<Place> places;
    places.reserve(members.size());
    for (const Member& member : members) places.push_back({head_of(member.key), places.size()});
    std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) {
      if (a.head != b.head) return a.head < b.head;
      return members[a.index].key < members[b.index].key;
    });
    Object sorted;
    sorted.reserve(members.size());
    for (const Place& place : places) sorted.push_back(std::move(members[place.index]));
    members = std::move(sorted);
    const auto twice =
        std::adjacent_find(members.begin(), members.end(),
                           [](const Member& a, const Member& b) { return a.key == b.key; });
    if (twice != members.end()) fail("the object that ends here has \"" + twice->key + "\" twice");
  }

  static std::uint64_t head_of(const std::string& key) {
    std::uint64_t head = 0;
    for (std::size_t i = 0; i < sizeof(head); ++i) {
      head = head << 8 | (i < key.size() ? static_cast<unsigned char>(key[i]) : 0u);
    }
    return head;
  }

  std::string parse_string() {
    if (peek() != '"') fail("expected a string");
    ++p_;
    std::string out;
    for (;;) {
      const char* plain = p_;
      while (p_ != end_ && *p_ != '"' && *p_ != '\\' && static_cast<unsigned char>(*p_) >= 0x20) {
        step_code_point();
      }
      out.append(plain, p_);
      if (p_ == end_) fail("the string does not end");
      if (*p_ == '"') break;
      if (*p_ != '\\') fail("control character in a string");
      ++p_;
      parse_escape(out);
    }
    ++p_;
    return out;
  }

  void step_code_point() {
    if (static_cast<unsigned char>(*p_) < 0x80) {
      ++p_;
      return;
    }
    // Two bytes: most of what is not ASCII in a vocabulary.
    const auto at = [this](int i) { return static_cast<unsigned char>(p_[i]); };
    if (at(0) >= 0xC2 && at(0) <= 0xDF && end_ - p_ > 1 && at(1) >= 0x80 && at(1) <= 0xBF) {
      p_ += 2;
      return;
    }
    const Utf8Step step = next_code_point(p_, end_);
    if (!step.valid) fail("invalid UTF-8 in a string");
    p_ += step.n_bytes;
  }

  void parse_escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t index = kLetters.find(peek());
    if (p_ != end_ && index != std::string_view::npos) {
      ++p_;
      out += kMeanings[index];
    } else if (peek() == 'u') {
      ++p_;
      append_utf8(out, parse_escaped_code());
    } else {
      fail("unknown escape in a string");
    }
  }

  // \uXXXX, or two of them that make a surrogate pair; a lone surrogate is no character.
  char32_t parse_escaped_code() {
    const char32_t first = parse_hex4();
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (first > 0xDBFF || end_ - p_ < 2 || p_[0] != '\\' || p_[1] != 'u') fail("lone surrogate");
    p_ += 2;
    const char32_t second = parse_hex4();
    if (second < 0xDC00 || second > 0xDFFF) fail("lone surrogate");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  char32_t parse_hex4() {
    unsigned code = 0;
    const char* last = p_ + std::min<std::ptrdiff_t>(4, end_ - p_);
    const auto [stop, error] = std::from_chars(p_, last, code, 16);
    if (error != std::errc() || stop != p_ + 4 || *p_ == '-') fail("\\u needs four hex digits");
    p_ = stop;
    return code;
  }

  void skip_digits() {
    if (p_ == end_ || !is_digit(*p_)) fail("expected a digit");
    while (p_ != end_ && is_digit(*p_)) ++p_;
  }

  Value parse_number() {
    const char* start = p_;
    if (peek() == '-')
      ++p_;
    else if (!is_digit(peek()))
      fail("expected a value");
    if (peek() == '0')
      ++p_;
    else
      skip_digits();
    bool whole = true;
    if (peek() == '.') ++p_, whole = false, skip_digits();
    if (peek() == 'e' || peek() == 'E') {
      ++p_, whole = false;
      if (peek() == '+' || peek() == '-') ++p_;
      skip_digits();
    }
    return number(start, whole);
  }

  Value number(const char* start, bool whole) const {
    std::int64_t integer = 0;
    if (whole && std::from_chars(start, p_, integer).ec == std::errc()) return Value(integer);
    return Value(Value::Fraction{});
  }

  const char* begin_;
  const char* p_;
  const char* end_;
  const std::string& file_;
  std::string_view unwanted_;
};

}  // namespace

const Value* Value::find(std::string_view key) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  const auto found =
      std::lower_bound(members->begin(), members->end(), key,
                       [](const Member& member, std::string_view k) { return member.key < k; });
  return found != members->end() && found->key == key ? &found->value : nullptr;
}

const char* Value::kind() const {
  constexpr const char* kNames[] = {"null",     "a boolean", "an integer", "a fraction",
                                    "a string", "an array",  "an object"};
  return kNames[data_.index()];
}

Value parse(std::string_view text, const std::string& file, std::string_view unwanted) {
  if (text.size() > kMostBytes) {
    throw LoadError(file + ": JSON must have " + std::to_string(kMostBytes) +
                    " bytes at most, got " + std::to_string(text.size()));
  }
  return Parser(text, file, unwanted).document();
}

Value read(const std::string& path, std::string_view unwanted) {
  return parse(read_file(path, kMostBytes), path, unwanted);
}

}  // namespace sottovoce::json
