// A loop over independent tasks, spread over threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "interruption.h"
#include "plain_arithmetic.h"
#include "threads.h"

namespace sottovoce {

// CPUs that the quotas of this process's cgroup and of those above it allow, rounded, at least 1; a
// large number if they do not say. /proc and /sys lie under `root`.
int cgroup_cpus(const std::string& root);

// Cores that these CPUs belong to: two threads of one core are one. /sys lies under `root`; a CPU
// that it does not know is a core.
int physical_cores(const std::string& root, const std::vector<int>& cpus);

// `requested` if positive, but no more than the CPUs that this process may run on or, if that is
// set, SOTTOVOCE_MOST_THREADS; default_n_threads() if 0. Throws ShapeError beyond 0..1024.
int resolve_n_threads(int requested);

// Calls body(begin, end, thread) over contiguous shares of [0, n_tasks), several a thread so that a
// slow core holds nobody up. What a task computes must not depend on its share or thread, and it
// must not throw: whatever it needs is allocated before. What ends the call (Cancellable,
// Interruptible) is thrown before the first task.
template <class Body>
void parallel_for(Threads& threads, std::int64_t n_tasks, Body&& body) {
  constexpr std::int64_t kSharesPerThread = 8;
  if (n_tasks <= 0) return;
  check_interruption();
  const std::int64_t most = threads.n_threads() == 1 ? 1 : threads.n_threads() * kSharesPerThread;
  struct Job {
    Body& body;
    std::int64_t n_tasks;
    std::int64_t n_shares;
  } job{body, n_tasks, n_tasks < most ? n_tasks : most};
  threads.run(
      job.n_shares,
      [](void* opaque, std::int64_t share, int thread) noexcept {
        const Job& open = *static_cast<Job*>(opaque);
        open.body(open.n_tasks * share / open.n_shares, open.n_tasks * (share + 1) / open.n_shares,
                  thread);
      },
      &job);
}

// The same on the calling thread alone, for work too small to share.
template <class Body>
void parallel_for_if(bool worthwhile, Threads& threads, std::int64_t n_tasks, Body&& body) {
  if (worthwhile) {
    parallel_for(threads, n_tasks, body);
  } else if (n_tasks > 0) {
    const PlainArithmetic plain;
    body(std::int64_t{0}, n_tasks, 0);
  }
}

}  // namespace sottovoce
