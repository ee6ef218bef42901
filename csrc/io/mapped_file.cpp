// Files in memory. A map is private and read-only; the file must not be truncated by somebody
// else while it is mapped (the kernel would answer a read past its new end with SIGBUS), which
// small ones that are copied may be.
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

// An open regular file, and its size.
std::pair<int, std::size_t> open_regular(const std::string& path) {
  // Looked at before it is opened: opening a pipe that nobody writes to would wait for ever.
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) fail(path, reason(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "not a regular file");
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, reason(errno));
  if (::fstat(file, &status) != 0) {
    const int error = errno;
    ::close(file);
    fail(path, reason(error));
  }
  return {file, static_cast<std::size_t>(status.st_size)};
}

}  // namespace

bool is_file(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool begins_with(const std::string& path, std::string_view start) {
  if (!is_file(path)) return false;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return false;
  std::string found(start.size(), '\0');
  const ssize_t n = ::read(file.get(), found.data(), found.size());
  return n == static_cast<ssize_t>(start.size()) && found == start;
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  return real ? real.get() : "";
}

std::string read_file(const std::string& path, std::size_t most) {
  const auto [fd, size] = open_regular(path);
  const Descriptor file(fd);
  const auto check = [&](std::size_t n) {
    if (n <= most) return;
    fail(path, "it has " + std::to_string(n) + " bytes, and " + std::to_string(most) +
                   " at most are read of such a file");
  };
  check(size);
  std::string contents(size + 1, '\0');  // a byte more, to see the end
  std::size_t n = 0;
  for (;;) {
    const ssize_t got = ::read(file.get(), contents.data() + n, contents.size() - n);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, reason(errno));
    if (got == 0) break;
    n += static_cast<std::size_t>(got);
    check(n);
    if (n == contents.size()) contents.resize(2 * n);  // it has grown
  }
  contents.resize(n);
  return contents;
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const auto [fd, size] = open_regular(path);
  const Descriptor file(fd);
  size_ = size;
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
