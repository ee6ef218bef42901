// A file as read-only memory, for as long as the object lives; and small ones as a copy.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sottovoce {

// True for a regular file, or a link to one.
bool is_file(const std::string& path);

// Whether a regular file begins with these bytes; false too if it cannot be read.
bool begins_with(const std::string& path, std::string_view start);

// The whole path, without links; empty, and errno set, if nothing is there.
std::string real_path(const std::string& path);

// The contents of a regular file. Throws LoadError with the path and the system's reason, or if
// there are more than `most` bytes.
std::string read_file(const std::string& path, std::size_t most);

class MappedFile {
 public:
  // Throws LoadError with the path and the system's reason. An empty file has size 0.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const char* data() const { return data_; }  // aligned to a page; null if the file is empty
  std::size_t size() const { return size_; }

 private:
  std::string path_;
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sottovoce
