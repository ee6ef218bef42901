// The container: one header that says what the file is, sections of plain bytes, checksums over all
// of it. Knows nothing of networks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "thread_pool.h"

namespace sottovoce::packed {

// Sections begin at cache lines, and a line of zeros at least follows each.
constexpr std::size_t kLine = 64;

// A section to write.
struct Section {
  const void* data = nullptr;
  std::size_t n_bytes = 0;
};
// Where sections of these sizes stand in the data block.
std::vector<std::size_t> section_offsets(const std::vector<Section>& sections);

// Writes beside `path` and renames. Returns false while another process writes the same file.
// Throws LoadError with the path and the system's reason.
bool write_file(ThreadPool& threads, const std::string& path, const std::string& header,
                const std::vector<Section>& sections);

// A whole file in memory, read-only; every byte has been checked.
class PackedFile {
 public:
  // Null for a file that is not there, not ours, damaged, or whose header does not begin with
  // `expected`.
  static std::shared_ptr<PackedFile> open(ThreadPool& threads, const std::string& path,
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
  bool check(ThreadPool& threads, const std::string& expected);

  void* memory_;
  std::size_t size_;
  std::string_view header_;
  char* data_ = nullptr;
  std::size_t n_bytes_ = 0;
};

}  // namespace sottovoce::packed
