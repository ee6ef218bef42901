// The threads of one model: workers that help whoever calls run(), and that nobody waits for.
//
// The caller publishes a job of numbered shares and works on them itself; workers that are awake
// claim shares too. The caller then waits for shares that were claimed, never for workers that were
// not: on a busy machine a worker that the system has put aside costs nothing, where a fork-join
// barrier would stall every operation until it runs again. Who computes a share cannot change its
// result.
//
// Workers do not come along into a forked child. A pool from before the fork lets the caller do
// every share there; one made in the child is like any other.
#pragma once

#include <cstdint>
#include <memory>

#include "threads.h"

namespace sottovoce {

class ThreadPool final : public Threads {
 public:
  // n_threads counts the caller: n_threads - 1 workers, or as many as the system will start.
  explicit ThreadPool(int n_threads);
  ~ThreadPool() override;

  int n_threads() const override { return n_threads_; }
  // While another call is using the workers, this one does its shares alone.
  void run(std::int64_t n_shares, Call call, void* body) override;

 private:
  struct Team;  // the workers and what they share with the caller

  std::unique_ptr<Team> team_;
  int n_threads_;
  int n_forks_at_birth_;
};

}  // namespace sottovoce
