// Memory-mapped files. The map is private and read-only; the file must not be truncated by somebody
// else while it is mapped (the kernel would answer a read past its new end with SIGBUS).
#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

#include <sottovoce/error.h>

#include "descriptor.h"

namespace sottovoce {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw LoadError("cannot read '" + path + "': " + why);
}

// std::generic_category, because strerror is not safe among threads.
std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

bool is_file(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  return real ? real.get() : "";
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // Looked at before it is opened: opening a pipe that nobody writes to would wait for ever.
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) fail(path, reason(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "not a regular file");
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) fail(path, reason(errno));
  if (::fstat(file.get(), &status) != 0) fail(path, reason(errno));
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;  // mmap refuses an empty range
  void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED) fail(path, reason(errno));
  data_ = static_cast<const char*>(memory);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace sottovoce
