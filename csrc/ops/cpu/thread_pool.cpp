// Claiming, waiting and waking.
#include "thread_pool.h"

#include <pthread.h>
#include <sched.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sottovoce {

namespace {

constexpr std::uint64_t kSharesMask = 0xffffffffu;
// A worker looks out for the next job this many times, some 50 us, before it sleeps: longer than
// the gaps between the operations of a forward pass, shorter than a user would notice in `top`.
constexpr int kSpins = 2000;
// The caller spins this often for the last shares before it offers its core to the system.
constexpr int kSpinsBeforeYield = 4000;

void pause_core() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Workers do not come along into a forked child; there the caller does every share itself.
std::atomic<bool> forked{false};
const int registered = pthread_atfork(nullptr, nullptr, [] { forked = true; });
bool in_forked_child() { return registered == 0 && forked.load(std::memory_order_relaxed); }

}  // namespace

ThreadPool::ThreadPool(int n_threads) : n_threads_(n_threads) {
  for (int thread = 1; thread < n_threads; ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  if (in_forked_child()) {
    for (std::thread& worker : workers_) worker.detach();
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

bool ThreadPool::claim(std::int64_t& share) {
  std::uint64_t ticket = ticket_.load();
  while ((ticket & kSharesMask) > 0) {
    if (ticket_.compare_exchange_weak(ticket, ticket - 1)) {
      share = static_cast<std::int64_t>(ticket & kSharesMask) - 1;
      return true;
    }
  }
  return false;
}

void ThreadPool::run(std::int64_t n_shares, Call call, void* body) {
  const bool alone =
      n_shares <= 1 || workers_.empty() || in_forked_child() || in_use_.exchange(true);
  if (alone) {
    for (std::int64_t share = 0; share < n_shares; ++share) call(body, share, 0);
    return;
  }
  call_ = call;
  body_ = body;
  n_done_ = 0;
  const std::uint64_t generation = (ticket_.load() & ~kSharesMask) + kSharesMask + 1;
  ticket_ = generation | static_cast<std::uint64_t>(n_shares);
  if (n_asleep_ > 0) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
    }
    wake_.notify_all();
  }
  std::int64_t share = 0;
  while (claim(share)) {
    call(body, share, 0);
    ++n_done_;
  }
  for (int spins = 0; n_done_ != n_shares; ++spins) {
    if (spins < kSpinsBeforeYield) {
      pause_core();
    } else {
      sched_yield();
    }
  }
  in_use_ = false;
}

void ThreadPool::wait_for_job(std::uint64_t seen) {
  for (int spins = 0; spins < kSpins; ++spins) {
    if (ticket_ != seen || stopping_) return;
    pause_core();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  ++n_asleep_;
  wake_.wait(lock, [&] { return ticket_ != seen || stopping_; });
  --n_asleep_;
}

void ThreadPool::work(int thread) {
  while (!stopping_) {
    const std::uint64_t seen = ticket_;
    std::int64_t share = 0;
    if ((seen & kSharesMask) == 0) {
      wait_for_job(seen);
    } else if (claim(share)) {
      call_(body_, share, thread);
      ++n_done_;
    }
  }
}

}  // namespace sottovoce
