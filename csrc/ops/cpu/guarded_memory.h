// Memory that nobody can read or write but while it is open: mprotect over one range of addresses.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

#include "host_memory.h"

namespace sottovoce::ops {

class GuardedMemory final : public HostMemory {
 public:
  GuardedMemory();

  // While one of them lives, in any thread, the memory is open.
  class Access {
   public:
    explicit Access(GuardedMemory& memory) : memory_(memory) { memory_.open(); }
    ~Access() { memory_.close(); }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

   private:
    GuardedMemory& memory_;
  };

  std::shared_ptr<void> take(std::size_t n_bytes) override;

 private:
  struct Range;
  void open();
  void close();

  std::shared_ptr<Range> range_;  // as long as memory of it is in use
};

}  // namespace sottovoce::ops
