// Memory-mapped files. The map is private and read-only; the file must not be truncated by somebody
// else while it is mapped (the kernel would answer a read past its new end with SIGBUS).
#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <sottovoce/error.h>

namespace sottovoce {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw LoadError("cannot read '" + path + "': " + why);
}

// std::generic_category, because strerror is not safe among threads.
std::string reason(int error) { return std::generic_category().message(error); }

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail(path, reason(errno));
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

bool is_file(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // Looked at before it is opened: opening a pipe that nobody writes to would wait for ever.
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) fail(path, reason(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "not a regular file");
  const Descriptor file(path);
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
