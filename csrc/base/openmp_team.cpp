// Shares of an operation as iterations of an OpenMP loop.
#include "openmp_team.h"

#include <omp.h>

#include <algorithm>
#include <optional>

#include <sottovoce/runtime.h>

#include "forks.h"
#include "plain_arithmetic.h"
#include "signals_blocked.h"

namespace sottovoce {

namespace {

class OpenMPTeam final : public Threads {
 public:
  explicit OpenMPTeam(int n_threads) : n_threads_(n_threads) {}

  int n_threads() const override { return n_threads_; }

  void run(std::int64_t n_shares, Call call, void* body) override {
    if (n_shares <= 1 || n_threads_ == 1 || this_thread_forked()) {
      run_alone(n_shares, call, body);
      return;
    }
    // A thread's team is started by its first region, and keeps the mask that it had then.
    thread_local int n_started = 0;
    std::optional<SignalsBlocked> blocked;
    if (n_started != n_threads_) blocked.emplace();
    n_started = n_threads_;
    // Always the whole team, however few the shares: libgomp ends the threads that a smaller team
    // leaves over, and starts them again for the next.
#pragma omp parallel num_threads(n_threads_)
    {
      const PlainArithmetic plain;
      const int thread = omp_get_thread_num();
#pragma omp for schedule(dynamic) nowait
      for (std::int64_t share = 0; share < n_shares; ++share) call(body, share, thread);
    }
  }

 private:
  int n_threads_;
};

}  // namespace

std::unique_ptr<Threads> make_openmp_team(int n_threads) {
  if (n_threads == 0) n_threads = std::min(default_n_threads(), omp_get_max_threads());
  return std::make_unique<OpenMPTeam>(n_threads);
}

}  // namespace sottovoce
