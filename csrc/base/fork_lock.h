// A mutex that a forked child can take, whoever held it when the process forked.
#pragma once

#include <sched.h>

#include <atomic>

#include "forks.h"

namespace sottovoce {

// For a few instructions at a time: who waits keeps the core, or offers it to others.
class ForkMutex {
 public:
  // Returns whether its holder was lost in a fork, and what it guards may be half changed.
  bool lock() {
    const int mine = n_forks() + 1;
    for (int holder = 0; !holder_.compare_exchange_weak(holder, mine, std::memory_order_acquire);
         holder = 0) {
      if (holder != 0 && holder != mine && holder_.compare_exchange_strong(holder, mine)) {
        return true;
      }
      if (holder != 0) sched_yield();
    }
    return false;
  }
  void unlock() { holder_.store(0, std::memory_order_release); }

 private:
  std::atomic<int> holder_{0};  // 0: nobody; else 1 + the n_forks() of its process
};

class ForkLock {
 public:
  explicit ForkLock(ForkMutex& mutex) : mutex_(mutex), was_lost_(mutex.lock()) {}
  ~ForkLock() { mutex_.unlock(); }
  ForkLock(const ForkLock&) = delete;
  ForkLock& operator=(const ForkLock&) = delete;

  bool was_lost() const { return was_lost_; }

 private:
  ForkMutex& mutex_;
  bool was_lost_;
};

}  // namespace sottovoce
