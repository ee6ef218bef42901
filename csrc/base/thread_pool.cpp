// Claiming, waiting and waking.
#include "thread_pool.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "forks.h"
#include "plain_arithmetic.h"
#include "signals_blocked.h"

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
#elif defined(__aarch64__)
  asm volatile("isb");  // empties the pipeline; `yield` does nothing on most cores
#else
  std::this_thread::yield();
#endif
}

}  // namespace

struct ThreadPool::Team {
  bool claim(std::int64_t& share);
  void work(int thread);
  void wait_for_job(std::uint64_t seen);

  // Generation of the job in the high half, shares left to claim in the low half: a claim succeeds
  // only on the job it was read from, and holds that job open until the share is done.
  std::atomic<std::uint64_t> ticket{0};
  std::atomic<std::int64_t> n_done{0};
  Call call = nullptr;   // of the open job; read only after a claim
  void* body = nullptr;  // likewise

  std::atomic<bool> in_use{false};
  std::atomic<bool> stopping{false};
  std::atomic<int> n_asleep{0};
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;
};

ThreadPool::ThreadPool(int n_threads)
    : team_(std::make_unique<Team>()), n_threads_(1), n_forks_at_birth_(n_forks()) {
  team_->workers.reserve(static_cast<std::size_t>(n_threads));
  const SignalsBlocked blocked;
  try {
    for (; n_threads_ < n_threads; ++n_threads_) {
      team_->workers.emplace_back(
          [team = team_.get(), thread = n_threads_] { team->work(thread); });
    }
  } catch (const std::exception&) {
    // The system starts no more threads: those there are give the same results.
  }
}

ThreadPool::~ThreadPool() {
  if (forked_since(n_forks_at_birth_)) {
    // The workers are not here, and what they waited on would wait for them: let it lie.
    static_cast<void>(team_.release());
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(team_->mutex);
    team_->stopping = true;
  }
  team_->wake.notify_all();
  for (std::thread& worker : team_->workers) worker.join();
}

bool ThreadPool::Team::claim(std::int64_t& share) {
  std::uint64_t seen = ticket.load();
  while ((seen & kSharesMask) > 0) {
    if (ticket.compare_exchange_weak(seen, seen - 1)) {
      share = static_cast<std::int64_t>(seen & kSharesMask) - 1;
      return true;
    }
  }
  return false;
}

void ThreadPool::run(std::int64_t n_shares, Call call, void* body) {
  Team& team = *team_;
  const bool alone = n_shares <= 1 || n_threads_ == 1 || forked_since(n_forks_at_birth_) ||
                     team.in_use.exchange(true);
  if (alone) {
    run_alone(n_shares, call, body);
    return;
  }
  const PlainArithmetic plain;
  team.call = call;
  team.body = body;
  team.n_done = 0;
  const std::uint64_t generation = (team.ticket.load() & ~kSharesMask) + kSharesMask + 1;
  team.ticket = generation | static_cast<std::uint64_t>(n_shares);
  if (team.n_asleep > 0) {
    {
      const std::lock_guard<std::mutex> lock(team.mutex);
    }
    team.wake.notify_all();
  }
  std::int64_t share = 0;
  while (team.claim(share)) {
    call(body, share, 0);
    ++team.n_done;
  }
  for (int spins = 0; team.n_done != n_shares; ++spins) {
    if (spins < kSpinsBeforeYield) {
      pause_core();
    } else {
      sched_yield();
    }
  }
  team.in_use = false;
}

void ThreadPool::Team::wait_for_job(std::uint64_t seen) {
  for (int spins = 0; spins < kSpins; ++spins) {
    if (ticket != seen || stopping) return;
    pause_core();
  }
  std::unique_lock<std::mutex> lock(mutex);
  ++n_asleep;
  wake.wait(lock, [&] { return ticket != seen || stopping; });
  --n_asleep;
}

void ThreadPool::Team::work(int thread) {
  const PlainArithmetic plain;
  while (!stopping) {
    const std::uint64_t seen = ticket;
    std::int64_t share = 0;
    if ((seen & kSharesMask) == 0) {
      wait_for_job(seen);
    } else if (claim(share)) {
      call(body, share, thread);
      ++n_done;
    }
  }
}

}  // namespace sottovoce
