// A small strict JSON reader (RFC 8259): one document in, a tree of values out. It reads what a
// checkpoint holds, refuses everything else with the byte offset, and writes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sottovoce::json {

struct Member;
class Value;
using Array = std::vector<Value>;
using Object = std::vector<Member>;  // sorted by key; no key stands twice

class Value {
 public:
  // An integer that fits 64 bits; any other number is checked, and its value left out: no
  // checkpoint has one that matters here.
  struct Fraction {};
  using Data =
      std::variant<std::nullptr_t, bool, std::int64_t, Fraction, std::string, Array, Object>;

  Value() = default;
  explicit Value(Data data) : data_(std::move(data)) {}

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(data_); }
  // The content if it is of that kind, else null.
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&data_); }
  const std::string* string() const { return std::get_if<std::string>(&data_); }
  const Array* array() const { return std::get_if<Array>(&data_); }
  const Object* object() const { return std::get_if<Object>(&data_); }

  // The member of an object, or null: also when this is no object.
  const Value* find(std::string_view key) const;
  // "null", "a boolean", "an integer", ... for messages.
  const char* kind() const;

 private:
  Data data_ = nullptr;
};

struct Member {
  std::string key;
  Value value;
};

// The longest document, some five times a tokenizer.json: in memory one may take thirty times its
// bytes.
inline constexpr std::size_t kMostBytes = std::size_t{16} << 20;

// Throws LoadError("<file>: byte 17: expected ...") for anything but one valid document in UTF-8 of
// kMostBytes at most.
// Arrays under the key `unwanted`, in any object, are read and left out.
Value parse(std::string_view text, const std::string& file, std::string_view unwanted = {});
// The same of a whole file, read and not mapped: whoever writes to it meanwhile does no harm.
Value read(const std::string& path, std::string_view unwanted = {});

}  // namespace sottovoce::json
