// checkpoint_identity(): what changes whenever the files of a model change, found without reading
// them through. Size and times tell in practice. A copy has times of its own (nobody can set ctime)
// and so an identity of its own; pages from all over the file are for file systems that give all
// files the same times.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sottovoce/checkpoint.h>
#include <sottovoce/error.h>

#include "checksum.h"
#include "descriptor.h"
#include "mapped_file.h"

namespace sottovoce {
namespace {

[[noreturn]] void fail(const std::string& path) {
  throw LoadError("cannot read '" + path + "': " + std::generic_category().message(errno));
}

bool ends_with(std::string_view name, std::string_view suffix) {
  return name.size() >= suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
}

// Whether the network, or its alignment heads, may come from a file of this name.
bool is_of_network(std::string_view name) {
  const bool is_json =
      name == "config.json" || name == "generation_config.json" || name == "adapter_config.json" ||
      ends_with(name, ".safetensors.index.json") || ends_with(name, ".bin.index.json");
  const bool is_bin = name == "model.bin" || name == "adapter_model.bin" ||
                      (name.substr(0, 13) == "pytorch_model" && ends_with(name, ".bin"));
  return is_json || is_bin || ends_with(name, ".safetensors");
}

// Names of what may belong to a checkpoint, sorted.
std::vector<std::string> model_files(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
  if (!open) fail(directory);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(open.get())) {
    if (is_of_network(entry->d_name)) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Of the whole file if it is small, else of pages at even distances, the first and the last too.
std::uint64_t sample(const std::string& path, std::int64_t size) {
  constexpr std::int64_t kPage = 4096;
  constexpr std::int64_t kMostPages = 64;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) fail(path);
  std::array<char, kPage> page;
  std::uint64_t sum = 0;
  const std::int64_t n = std::min((size + kPage - 1) / kPage, kMostPages);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t last = std::max<std::int64_t>(size - kPage, 0);
    const std::int64_t at =
        n < kMostPages ? i * kPage : last / (n - 1) * i + last % (n - 1) * i / (n - 1);
    const ssize_t got = ::pread(file.get(), page.data(), page.size(), at);
    if (got < 0) fail(path);
    sum = checksum(page.data(), static_cast<std::size_t>(got), sum);
  }
  return sum;
}

std::string nanoseconds(const timespec& time) {
  return std::to_string(time.tv_sec) + "." + std::to_string(time.tv_nsec);
}

// A line that tells one state of a file from others; empty for anything but a regular file.
std::string state_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return "";
  return " " + std::to_string(status.st_size) + " " + nanoseconds(status.st_mtim) + " " +
         nanoseconds(status.st_ctim) + " " + std::to_string(sample(path, status.st_size)) + "\n";
}

}  // namespace

std::string checkpoint_identity(const std::string& path) {
  std::string identity = real_path(path);
  if (identity.empty()) fail(path);
  identity += "\n";
  if (is_file(path)) return identity + state_of(path);
  for (const std::string& name : model_files(path)) {
    const std::string state = state_of(path + "/" + name);
    if (!state.empty()) identity += name + state;
  }
  return identity;
}

}  // namespace sottovoce
