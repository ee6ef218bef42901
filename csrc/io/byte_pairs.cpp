// Byte-pair encoding: a hash table of the pieces, and a heap of the pairs that may merge.
#include "byte_pairs.h"

#include <algorithm>
#include <cstdint>
#include <queue>
#include <tuple>

#include <sottovoce/error.h>

namespace sottovoce {
namespace {

// FNV-1a: pieces are a few bytes long.
std::uint64_t hash_of(std::string_view piece) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char byte : piece) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
  return hash ^ hash >> 32;
}

// Two neighbours whose union, word[begin, end), is the token `id`.
struct Pair {
  int id;
  std::size_t begin;
  std::size_t end;

  bool operator<(const Pair& other) const {  // the greatest is on top of a heap
    return std::tie(other.id, other.begin) < std::tie(id, begin);
  }
};

// The parts of a word, which start as single bytes.
class Parts {
 public:
  explicit Parts(std::size_t n_bytes) : end_(n_bytes), before_(n_bytes) {
    for (std::size_t begin = 0; begin < n_bytes; ++begin) {
      end_[begin] = begin + 1;
      before_[begin] = begin - 1;  // of the first one: never asked for
    }
  }

  // End of the part that starts at `begin`, which is also where the next one starts.
  std::size_t end(std::size_t begin) const { return end_[begin]; }
  std::size_t before(std::size_t begin) const { return before_[begin]; }

  // Whether `pair` is still made of two parts.
  bool has(const Pair& pair) const {
    const std::size_t middle = end_[pair.begin];
    return middle != 0 && middle < pair.end && end_[middle] == pair.end;
  }

  void merge(const Pair& pair) {
    end_[end_[pair.begin]] = 0;
    end_[pair.begin] = pair.end;
    if (pair.end < end_.size()) before_[pair.end] = pair.begin;
  }

 private:
  std::vector<std::size_t> end_;     // by first byte; 0 if no part starts there
  std::vector<std::size_t> before_;  // by first byte: where the part to the left starts
};

}  // namespace

BytePairs::BytePairs(const std::vector<std::string>& pieces, const std::string& source) {
  begin_.reserve(pieces.size() + 1);
  begin_.push_back(0);
  for (const std::string& piece : pieces) {
    bytes_ += piece;
    begin_.push_back(bytes_.size());
    longest_ = std::max(longest_, piece.size());
  }
  std::size_t n_slots = 1;
  while (n_slots < 2 * pieces.size() + 1) n_slots *= 2;
  slots_.assign(n_slots, -1);
  for (int id = 0; id < static_cast<int>(pieces.size()); ++id) {
    if (piece(id).empty()) continue;
    int& slot = slots_[slot_of(piece(id))];
    if (slot >= 0) {
      throw LoadError(source + ": tokens " + std::to_string(slot) + " and " + std::to_string(id) +
                      " are the same bytes");
    }
    slot = id;
  }
}

std::string_view BytePairs::piece(int id) const {
  const auto index = static_cast<std::size_t>(id);
  return std::string_view(bytes_).substr(begin_[index], begin_[index + 1] - begin_[index]);
}

std::size_t BytePairs::slot_of(std::string_view sought) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash_of(sought) & mask;
  while (slots_[slot] >= 0 && piece(slots_[slot]) != sought) slot = (slot + 1) & mask;
  return slot;
}

int BytePairs::find(std::string_view sought) const {
  return sought.size() > longest_ ? -1 : slots_[slot_of(sought)];
}

void BytePairs::append(std::string_view word, std::vector<int>& tokens) const {
  const int whole = find(word);
  if (whole >= 0) {
    tokens.push_back(whole);
  } else {
    append_merged(word, tokens);
  }
}

void BytePairs::append_merged(std::string_view word, std::vector<int>& tokens) const {
  Parts parts(word.size());
  std::priority_queue<Pair> waiting;
  const auto consider = [&](std::size_t begin) {
    const std::size_t middle = parts.end(begin);
    if (middle == word.size()) return;
    const std::size_t end = parts.end(middle);
    const int id = find(word.substr(begin, end - begin));
    if (id >= 0) waiting.push({id, begin, end});
  };
  for (std::size_t begin = 0; begin < word.size(); ++begin) consider(begin);
  while (!waiting.empty()) {
    const Pair pair = waiting.top();
    waiting.pop();
    if (!parts.has(pair)) continue;  // a half of it has merged with another since
    parts.merge(pair);
    if (pair.begin > 0) consider(parts.before(pair.begin));
    consider(pair.begin);
  }
  for (std::size_t begin = 0; begin < word.size(); begin = parts.end(begin)) {
    const int id = find(word.substr(begin, parts.end(begin) - begin));
    if (id < 0) {
      throw LoadError("Vocabulary: has no token of the single byte " +
                      std::to_string(static_cast<unsigned char>(word[begin])) +
                      ", and cannot encode it");
    }
    tokens.push_back(id);
  }
}

}  // namespace sottovoce
