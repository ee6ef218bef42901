// The threads of one model: workers that help whoever calls run(), and that nobody waits for.
//
// The caller publishes a job of numbered shares and works on them itself; workers that are awake
// claim shares too. The caller then waits for shares that were claimed, never for workers that were
// not: on a busy machine a worker that the system has put aside costs nothing, where a fork-join
// barrier would stall every operation until it runs again. Who computes a share cannot change its
// result.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace sottovoce {

class ThreadPool {
 public:
  // n_threads counts the caller: n_threads - 1 workers.
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const { return n_threads_; }

  // call(body, share, thread) for every share in [0, n_shares), thread < n_threads(). Returns when
  // all are done. If another call is using the workers, this one does its shares alone. `call` must
  // not throw.
  using Call = void (*)(void* body, std::int64_t share, int thread);
  void run(std::int64_t n_shares, Call call, void* body);

 private:
  bool claim(std::int64_t& share);
  void work(int thread);
  void wait_for_job(std::uint64_t seen);

  // Generation of the job in the high half, shares left to claim in the low half: a claim succeeds
  // only on the job it was read from, and holds that job open until the share is done.
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<std::int64_t> n_done_{0};
  Call call_ = nullptr;   // of the open job; read only after a claim
  void* body_ = nullptr;  // likewise

  std::atomic<bool> in_use_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> n_asleep_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  int n_threads_;
  std::vector<std::thread> workers_;
};

}  // namespace sottovoce
