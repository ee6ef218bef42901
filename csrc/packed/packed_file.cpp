// Layout, in the byte order of the machine that wrote it: a Prefix; the header; a checksum for each
// MiB of data; zeros up to a page; the data block, which ends the file.
//
// A file is written under another name, in full, before rename() puts it in place: readers see a
// whole file or none, and those that have the old one mapped keep it. The lock on that other name
// makes writers take turns; it is gone when its process is. We never write to a file in place, so a
// map stays what was checked. Two things can take its pages away, and reading them would be a
// SIGBUS: another program that truncates the file or copies over it, and a network file system
// whose server forgets a file that was replaced.
#include "packed_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <thread>
#include <type_traits>

#include <sottovoce/error.h>

#include "checksum.h"
#include "descriptor.h"
#include "interruption.h"
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

// Where in the file the checksums of the data stand.
std::size_t sums_begin(std::size_t header_bytes) {
  return round_up(sizeof(Prefix) + header_bytes, sizeof(std::uint64_t));
}

std::uint64_t prefix_checksum(const Prefix& prefix) {
  return checksum(&prefix, offsetof(Prefix, checksum));
}

std::vector<std::uint64_t> chunk_checksums(Threads& threads, const char* data,
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

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw LoadError("cannot write '" + path + "': " + why);
}

[[noreturn]] void fail(const std::string& path, int error) {
  fail(path, std::generic_category().message(error));
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

std::vector<std::uint64_t> checksums_of_file(Threads& threads, int fd, const std::string& path,
                                             std::size_t begin, std::size_t n_bytes) {
  if (n_bytes == 0) return {};
  const std::size_t size = begin + n_bytes;
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) fail(path, errno);
  auto sums = chunk_checksums(threads, static_cast<const char*>(memory) + begin, n_bytes);
  ::munmap(memory, size);
  return sums;
}

// The disk's room for the whole file at once: where it lacks, nothing is written.
void reserve(int fd, const std::string& path, std::size_t size) {
  int error = ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  if (error == EOPNOTSUPP || error == EINVAL) {  // not on this file system
    error = ::ftruncate(fd, static_cast<off_t>(size)) == 0 ? 0 : errno;
  }
  if (error != 0) fail(path, error);
}

// Everything into an empty file. The front comes last: its checksums are of what the file has.
void write_contents(Threads& threads, int fd, const std::string& path, const std::string& header,
                    const std::vector<Section>& sections) {
  Prefix prefix;
  prefix.header_bytes = header.size();
  for (const Section& section : sections) {
    prefix.data_bytes = next_section(prefix.data_bytes, section.n_bytes);
  }
  const std::size_t sums_at = sums_begin(header.size());
  const std::size_t sums_bytes = n_chunks(prefix.data_bytes) * sizeof(std::uint64_t);
  prefix.data_begin = round_up(sums_at + sums_bytes, kPage);
  reserve(fd, path, prefix.data_begin + prefix.data_bytes);
  std::size_t at = 0;
  for (const Section& section : sections) {
    write_all(fd, path, section.data, section.n_bytes, prefix.data_begin + at);
    at = next_section(at, section.n_bytes);
  }
  const auto sums = checksums_of_file(threads, fd, path, prefix.data_begin, prefix.data_bytes);
  std::string front(prefix.data_begin, '\0');
  front.replace(sizeof(Prefix), header.size(), header);
  if (sums_bytes > 0) std::memcpy(front.data() + sums_at, sums.data(), sums_bytes);
  prefix.front_checksum = checksum(front.data() + sizeof(Prefix), front.size() - sizeof(Prefix));
  prefix.checksum = prefix_checksum(prefix);
  std::memcpy(front.data(), &prefix, sizeof(prefix));
  write_all(fd, path, front.data(), front.size(), 0);
}

// Whether nobody but its owner can change the file.
bool is_owners_alone(const struct stat& status) {
  return S_ISREG(status.st_mode) && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::string described(const struct stat& status) {
  std::array<char, 96> text;
  std::snprintf(text.data(), text.size(), "mode %o, owner %u, %lu links", status.st_mode,
                static_cast<unsigned>(status.st_uid), static_cast<unsigned long>(status.st_nlink));
  return text.data();
}

// Opens the name that writers share, and locks it. Not open: another writer has it, or has just
// given it the final name.
int open_draft(const std::string& path) {
  constexpr mode_t kMode = 0644;  // less the user's umask
  const int fd =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, kMode);
  if (fd < 0) fail(path, errno);
  struct stat mine{};
  struct stat named{};
  int error = 0;
  if (::fstat(fd, &mine) != 0) {
    error = errno;
  } else if (!is_owners_alone(mine) || mine.st_uid != ::geteuid() || mine.st_nlink > 1) {
    ::close(fd);
    fail(path, "it must be a plain file of user " + std::to_string(::geteuid()) +
                   " that nobody else can write, with one link; got " + described(mine));
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
         sums_begin(prefix.header_bytes) + n_chunks(prefix.data_bytes) * sizeof(std::uint64_t) <=
             prefix.data_begin &&
         prefix.front_checksum ==
             checksum(memory + sizeof(Prefix), prefix.data_begin - sizeof(Prefix));
}

// The same, as soon as no other writer has it; not open after `patience` seconds.
int wait_for_draft(const std::string& path, double patience) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(patience);
  int fd = open_draft(path);
  while (fd < 0 && Clock::now() < end) {
    check_interruption();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    fd = open_draft(path);
  }
  return fd;
}

// Two users who cannot read each other's file would replace it at every start.
void refuse_file_of_another_user(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 || status.st_uid == ::geteuid()) return;
  fail(path, "it belongs to another user: " + described(status));
}

}  // namespace

bool write_file(Threads& threads, const std::string& path, const std::string& header,
                const std::vector<Section>& sections, double patience) {
  refuse_file_of_another_user(path);
  const std::string draft = path + ".draft";
  const Descriptor file(wait_for_draft(draft, patience));
  if (!file.is_open()) return false;
  try {
    // Of several that start together the first one writes, and all share the pages of its file.
    if (PackedFile::open(threads, path, header)) {
      ::unlink(draft.c_str());
      return true;
    }
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

std::shared_ptr<PackedFile> PackedFile::open(Threads& threads, const std::string& path,
                                             const std::string& expected) {
  // Not through a link, nor waiting for the other end of a pipe.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return nullptr;
  const bool trusted =
      is_owners_alone(status) && (status.st_uid == ::geteuid() || status.st_uid == 0);
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

bool PackedFile::check(Threads& threads, const std::string& expected) {
  auto* const begin = static_cast<char*>(memory_);
  Prefix prefix;
  if (!read_prefix(begin, size_, prefix)) return false;
  header_ = {begin + sizeof(Prefix), prefix.header_bytes};
  if (header_.substr(0, expected.size()) != expected) return false;
  header_.remove_prefix(expected.size());
  data_ = begin + prefix.data_begin;
  n_bytes_ = prefix.data_bytes;
  const auto sums = chunk_checksums(threads, data_, n_bytes_);
  const char* written = begin + sums_begin(prefix.header_bytes);
  return sums.empty() ||
         std::memcmp(sums.data(), written, sums.size() * sizeof(std::uint64_t)) == 0;
}

PackedFile::~PackedFile() { ::munmap(memory_, size_); }

}  // namespace sottovoce::packed
