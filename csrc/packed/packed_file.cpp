// Layout, in the byte order of the machine that wrote it: a Prefix; the header; a checksum for each
// MiB of data; zeros up to a page; the data block, which ends the file.
//
// A file is written under another name, in full, before rename() puts it in place: readers see a
// whole file or none, and those that have the old one mapped keep it. The lock on that other name
// makes writers take turns; it is gone when its process is. Nobody writes to a file in place, so a
// map stays what was checked.
#include "packed_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <type_traits>
#include <utility>

#include <sottovoce/error.h>

#include "checksum.h"
#include "parallel.h"

namespace sottovoce::packed {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kChunk = std::size_t{1} << 20;
constexpr std::array<char, 8> kMagic = {'s', 'o', 't', 't', 'o', 'p', 'a', 'k'};

struct Prefix {
  std::array<char, 8> magic = kMagic;
  std::uint64_t byte_order = 0x0102030405060708u;
  std::uint64_t header_bytes = 0;
  std::uint64_t data_begin = 0;  // bytes from the start of the file
  std::uint64_t data_bytes = 0;
  std::uint64_t front_checksum = 0;  // from the header to the data block
  std::uint64_t checksum = 0;        // of what stands above
};
static_assert(std::is_trivially_copyable_v<Prefix> && sizeof(Prefix) == 56);

std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

std::size_t n_chunks(std::size_t n_bytes) { return (n_bytes + kChunk - 1) / kChunk; }

std::uint64_t prefix_checksum(const Prefix& prefix) {
  return checksum(&prefix, offsetof(Prefix, checksum));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::vector<std::uint64_t> chunk_checksums(ThreadPool& threads, const char* data,
                                           std::size_t n_bytes) {
  std::vector<std::uint64_t> sums(n_chunks(n_bytes));
  parallel_for(threads, static_cast<std::int64_t>(sums.size()),
               [&](std::int64_t begin, std::int64_t end, int) {
                 for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end);
                      ++i) {
                   const std::size_t first = i * kChunk;
                   sums[i] = checksum(data + first, std::min(kChunk, n_bytes - first), i);
                 }
               });
  return sums;
}

[[noreturn]] void fail(const std::string& path, int error) {
  throw LoadError("cannot write '" + path + "': " + std::generic_category().message(error));
}

void write_all(int fd, const std::string& path, const void* data, std::size_t n, std::size_t at) {
  const auto* from = static_cast<const char*>(data);
  while (n > 0) {
    const ssize_t written = ::pwrite(fd, from, n, static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(path, written == 0 ? ENOSPC : errno);
    from += written;
    at += static_cast<std::size_t>(written);
    n -= static_cast<std::size_t>(written);
  }
}

std::vector<std::uint64_t> checksums_of_file(ThreadPool& threads, int fd, const std::string& path,
                                             std::size_t begin, std::size_t n_bytes) {
  if (n_bytes == 0) return {};
  void* memory = ::mmap(nullptr, n_bytes, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(begin));
  if (memory == MAP_FAILED) fail(path, errno);
  auto sums = chunk_checksums(threads, static_cast<const char*>(memory), n_bytes);
  ::munmap(memory, n_bytes);
  return sums;
}

// Everything into an empty file. The front comes last: its checksums are of what the file has.
void write_contents(ThreadPool& threads, int fd, const std::string& path, const std::string& header,
                    const std::vector<Section>& sections) {
  const std::vector<std::size_t> offsets = section_offsets(sections);
  Prefix prefix;
  prefix.header_bytes = header.size();
  prefix.data_bytes =
      sections.empty() ? 0 : round_up(offsets.back() + sections.back().n_bytes + kLine, kLine);
  const std::size_t sums_begin = round_up(sizeof(Prefix) + header.size(), sizeof(std::uint64_t));
  const std::size_t sums_bytes = n_chunks(prefix.data_bytes) * sizeof(std::uint64_t);
  prefix.data_begin = round_up(sums_begin + sums_bytes, kPage);
  const std::size_t size = prefix.data_begin + prefix.data_bytes;
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) fail(path, errno);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    write_all(fd, path, sections[i].data, sections[i].n_bytes, prefix.data_begin + offsets[i]);
  }
  const auto sums = checksums_of_file(threads, fd, path, prefix.data_begin, prefix.data_bytes);
  std::string front(prefix.data_begin, '\0');
  front.replace(sizeof(Prefix), header.size(), header);
  std::memcpy(front.data() + sums_begin, sums.data(), sums_bytes);
  prefix.front_checksum = checksum(front.data() + sizeof(Prefix), front.size() - sizeof(Prefix));
  prefix.checksum = prefix_checksum(prefix);
  std::memcpy(front.data(), &prefix, sizeof(prefix));
  write_all(fd, path, front.data(), front.size(), 0);
}

// Opens the name that writers share, and locks it. Not open: another writer has it, or has just
// given it the final name.
int open_draft(const std::string& path) {
  constexpr mode_t kOwnerOnly = 0600;
  const int fd =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, kOwnerOnly);
  if (fd < 0) fail(path, errno);
  struct stat mine{};
  struct stat named{};
  int error = 0;
  if (::fstat(fd, &mine) != 0) {
    error = errno;
  } else if (!S_ISREG(mine.st_mode) || mine.st_uid != ::geteuid() || mine.st_nlink > 1) {
    error = EPERM;
  } else if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    error = errno;
  } else if (::lstat(path.c_str(), &named) != 0 || named.st_dev != mine.st_dev ||
             named.st_ino != mine.st_ino) {
    error = EWOULDBLOCK;
  }
  if (error == 0) return fd;
  ::close(fd);
  if (error != EWOULDBLOCK) fail(path, error);
  return -1;
}

// The front of a file in memory: false unless all its numbers agree with each other and the size.
bool read_prefix(const char* memory, std::size_t size, Prefix& prefix) {
  if (size < sizeof(Prefix)) return false;
  std::memcpy(&prefix, memory, sizeof(prefix));
  const Prefix model;
  return prefix.magic == model.magic && prefix.byte_order == model.byte_order &&
         prefix.checksum == prefix_checksum(prefix) && prefix.data_begin <= size &&
         prefix.data_begin % kPage == 0 && prefix.data_bytes == size - prefix.data_begin &&
         prefix.header_bytes <= prefix.data_begin &&
         round_up(sizeof(Prefix) + prefix.header_bytes, sizeof(std::uint64_t)) +
                 n_chunks(prefix.data_bytes) * sizeof(std::uint64_t) <=
             prefix.data_begin &&
         prefix.front_checksum ==
             checksum(memory + sizeof(Prefix), prefix.data_begin - sizeof(Prefix));
}

}  // namespace

std::vector<std::size_t> section_offsets(const std::vector<Section>& sections) {
  std::vector<std::size_t> offsets;
  std::size_t at = 0;
  for (const Section& section : sections) {
    offsets.push_back(at);
    at = round_up(at + section.n_bytes + kLine, kLine);
  }
  return offsets;
}

bool write_file(ThreadPool& threads, const std::string& path, const std::string& header,
                const std::vector<Section>& sections) {
  const std::string draft = path + ".draft";
  const Descriptor file(open_draft(draft));
  if (!file.is_open()) return false;
  try {
    // What a writer left that was killed.
    if (::ftruncate(file.get(), 0) != 0) fail(draft, errno);
    write_contents(threads, file.get(), draft, header, sections);
    if (::fsync(file.get()) != 0) fail(draft, errno);
    // What was written lies in the page cache in small pages; read back, it may have huge ones.
    ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
    if (::rename(draft.c_str(), path.c_str()) != 0) fail(path, errno);
  } catch (...) {
    ::unlink(draft.c_str());
    throw;
  }
  return true;
}

std::shared_ptr<PackedFile> PackedFile::open(ThreadPool& threads, const std::string& path,
                                             const std::string& expected) {
  // Not through a link, nor waiting for the other end of a pipe.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return nullptr;
  const bool trusted = S_ISREG(status.st_mode) && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
                       (status.st_uid == ::geteuid() || status.st_uid == 0);
  if (!trusted || status.st_size <= 0) return nullptr;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return nullptr;
  // Where the file system can: decoding walks all weights for every token, and 4 KB pages of a file
  // cost it more than the huge ones of a tensor in memory.
  ::madvise(memory, size, MADV_HUGEPAGE);
  std::shared_ptr<PackedFile> opened(new PackedFile(memory, size));
  return opened->check(threads, expected) ? opened : nullptr;
}

bool PackedFile::check(ThreadPool& threads, const std::string& expected) {
  auto* const begin = static_cast<char*>(memory_);
  Prefix prefix;
  if (!read_prefix(begin, size_, prefix)) return false;
  header_ = {begin + sizeof(Prefix), prefix.header_bytes};
  if (header_.substr(0, expected.size()) != expected) return false;
  header_.remove_prefix(expected.size());
  data_ = begin + prefix.data_begin;
  n_bytes_ = prefix.data_bytes;
  const auto sums = chunk_checksums(threads, data_, n_bytes_);
  const std::size_t sums_begin =
      round_up(sizeof(Prefix) + prefix.header_bytes, sizeof(std::uint64_t));
  return std::memcmp(sums.data(), begin + sums_begin, sums.size() * sizeof(std::uint64_t)) == 0;
}

PackedFile::~PackedFile() { ::munmap(memory_, size_); }

}  // namespace sottovoce::packed
