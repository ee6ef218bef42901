#include "guarded_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>

namespace sottovoce::ops {

namespace {

constexpr std::size_t kAddresses = std::size_t{1} << 36;  // reserved, not used: 64 GiB
constexpr std::size_t kLine = 64;

}  // namespace

struct GuardedMemory::Range {
  Range()
      : base(static_cast<char*>(mmap(nullptr, kAddresses, PROT_NONE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))),
        page(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    if (base == MAP_FAILED) throw std::bad_alloc();
  }
  ~Range() { munmap(base, kAddresses); }

  void protect(int access) {
    if (used > 0 && mprotect(base, used, access) != 0) throw std::bad_alloc();
  }

  std::mutex mutex;
  char* base;
  std::size_t page;
  std::size_t used = 0;                    // bytes from base that were ever taken
  std::multimap<std::size_t, void*> free;  // by size
  int n_open = 0;
};

GuardedMemory::GuardedMemory() : range_(std::make_shared<Range>()) {}

void GuardedMemory::open() {
  const std::lock_guard<std::mutex> lock(range_->mutex);
  if (range_->n_open == 0) range_->protect(PROT_READ | PROT_WRITE);
  ++range_->n_open;
}

void GuardedMemory::close() {
  const std::lock_guard<std::mutex> lock(range_->mutex);
  if (--range_->n_open == 0) range_->protect(PROT_NONE);
}

// Called while the memory is open.
std::shared_ptr<void> GuardedMemory::take(std::size_t n_bytes) {
  const std::size_t page = range_->page;
  const std::size_t size = (n_bytes + kLine + page - 1) / page * page;
  const std::lock_guard<std::mutex> lock(range_->mutex);
  void* memory = nullptr;
  const auto found = range_->free.find(size);
  if (found != range_->free.end()) {
    memory = found->second;
    range_->free.erase(found);
  } else {
    if (size > kAddresses - range_->used) throw std::bad_alloc();
    memory = range_->base + range_->used;
    if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    range_->used += size;
  }
  std::memset(static_cast<char*>(memory) + n_bytes, 0, kLine);
  return {memory, [range = range_, size](void* returned) {
            const std::lock_guard<std::mutex> on_return(range->mutex);
            range->free.emplace(size, returned);
          }};
}

}  // namespace sottovoce::ops
