// Which kinds of threads there are.
#include "threads.h"

#include <vector>

#include <sottovoce/error.h>
#include <sottovoce/runtime.h>

#include "openmp_team.h"
#include "parallel.h"
#include "plain_arithmetic.h"
#include "thread_pool.h"

namespace sottovoce {

void Threads::run_alone(std::int64_t n_shares, Call call, void* body) {
  const PlainArithmetic plain;
  for (std::int64_t share = 0; share < n_shares; ++share) call(body, share, 0);
}

std::vector<std::string> available_threading() {
  std::vector<std::string> names = {"pool"};
  if (make_openmp_team(1)) names.emplace_back("openmp");
  return names;
}

std::unique_ptr<Threads> make_threads(const std::string& threading, int n_threads) {
  const int n_resolved = resolve_n_threads(n_threads);
  std::unique_ptr<Threads> threads;
  if (threading == "pool") threads = std::make_unique<ThreadPool>(n_resolved);
  if (threading == "openmp") threads = make_openmp_team(n_threads == 0 ? 0 : n_resolved);
  if (threads) return threads;
  std::string known;
  for (const std::string& name : available_threading()) known += (known.empty() ? "" : ", ") + name;
  throw ShapeError("threading must be one that was built (" + known + "), got '" + threading + "'");
}

}  // namespace sottovoce
