// Which memory of this process is a read-only map of a file: /proc/self/maps (Linux).
#include "file_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace sottovoce {

FilePages::FilePages() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    Range range{};
    char dash = 0;
    std::string access, offset, device;
    std::uint64_t inode = 0;
    fields >> std::hex >> range.begin >> dash >> range.end >> access >> offset >> device >>
        std::dec >> inode;
    if (fields && inode != 0 && access.compare(0, 2, "r-") == 0) ranges_.push_back(range);
  }
}

void FilePages::drop(const TensorView& view) const {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto data = reinterpret_cast<std::uintptr_t>(view.data);
  const std::uintptr_t begin =
      (data + page - 1) / page * page;  // pages that are the tensor's alone
  const std::uintptr_t end = (data + view.n_bytes()) / page * page;
  for (const Range& range : ranges_) {
    if (begin >= end || begin < range.begin || end > range.end) continue;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    return;
  }
}

}  // namespace sottovoce
