// Memory that the system can read again from a file, and need not keep for this process.
#pragma once

#include <cstdint>
#include <vector>

#include <sottovoce/tensor.h>

namespace sottovoce {

class FilePages {
 public:
  FilePages();  // as this process is mapped now

  // Drops the view's pages if they are a read-only map of a file. They stay in the page cache, and
  // whoever reads the view again finds what was there.
  void drop(const TensorView& view) const;

 private:
  struct Range {
    std::uintptr_t begin;
    std::uintptr_t end;
  };
  std::vector<Range> ranges_;
};

}  // namespace sottovoce
