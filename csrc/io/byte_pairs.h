// Byte-pair encoding by the ids of the tokens, as tiktoken does it: the order of merging is that of
// the ids, so no list of merges is needed. Immutable.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sottovoce {

class BytePairs {
 public:
  // `pieces`: the bytes of each token by id; an empty one is no token. Throws LoadError in the name
  // of `source` if two are the same.
  BytePairs(const std::vector<std::string>& pieces, const std::string& source);

  // Appends the tokens of one word: merges the neighbours whose union has the lowest id, the
  // leftmost first, until no union is a token. Takes n log n for n bytes. Throws LoadError if there
  // is no token of a single byte that is left.
  void append(std::string_view word, std::vector<int>& tokens) const;

 private:
  std::string_view piece(int id) const;
  // Where the table has the piece, or would have it.
  std::size_t slot_of(std::string_view piece) const;
  int find(std::string_view piece) const;  // -1: no token
  void append_merged(std::string_view word, std::vector<int>& tokens) const;

  std::string bytes_;               // of all pieces, one after the other
  std::vector<std::size_t> begin_;  // (n_pieces + 1,) where in bytes_ each starts
  std::vector<int> slots_;          // ids by hash, -1: free; at least half of them are
  std::size_t longest_ = 0;         // bytes of the longest piece
};

}  // namespace sottovoce
