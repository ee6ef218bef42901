// The container: one header that says what the file is, sections of plain bytes, checksums over all
// of it. Knows nothing of networks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "threads.h"

namespace sottovoce::packed {

// Sections begin at cache lines, and a line of zeros at least follows each.
constexpr std::size_t kLine = 64;

// Where in the data block a section begins that follows one of n_bytes at `begin`.
constexpr std::size_t next_section(std::size_t begin, std::size_t n_bytes) {
  return (begin + n_bytes + 2 * kLine - 1) / kLine * kLine;
}

// A section to write.
struct Section {
  const void* data = nullptr;
  std::size_t n_bytes = 0;
};

// Writes beside `path` and renames, unless a whole file with this header is there by then. Waits up
// to `patience` seconds for somebody else who writes the same file, then returns false. Throws
// LoadError with the path and the reason.
bool write_file(Threads& threads, const std::string& path, const std::string& header,
                const std::vector<Section>& sections, double patience);

// A whole file in memory, read-only; every byte has been checked.
class PackedFile {
 public:
  // Null for a file that is not there, not ours, damaged, or whose header does not begin with
  // `expected`.
  static std::shared_ptr<PackedFile> open(Threads& threads, const std::string& path,
                                          const std::string& expected);
  ~PackedFile();
  PackedFile(const PackedFile&) = delete;
  PackedFile& operator=(const PackedFile&) = delete;

  // What follows `expected` in the header.
  std::string_view header() const { return header_; }
  char* data() const { return data_; }  // read-only, aligned to a page
  std::size_t n_bytes() const { return n_bytes_; }

 private:
  PackedFile(void* memory, std::size_t size) : memory_(memory), size_(size) {}
  bool check(Threads& threads, const std::string& expected);

  void* memory_;
  std::size_t size_;
  std::string_view header_;
  char* data_ = nullptr;
  std::size_t n_bytes_ = 0;
};

}  // namespace sottovoce::packed
