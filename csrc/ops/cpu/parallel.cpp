// How many threads this process may use.
#include "parallel.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include <sottovoce/error.h>

namespace sottovoce {

namespace {

int affinity_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) {
    return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  }
  return std::max(1, CPU_COUNT(&set));
}

// Whole CPUs of the cgroup's quota (v2 cpu.max, v1 cfs files), or a large number if unlimited.
int cgroup_count() {
  constexpr int kUnlimited = 1 << 16;
  double quota = -1.0;
  double period = 0.0;
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string word;
  if (v2 >> word >> period) {
    if (word == "max") return kUnlimited;
    quota = std::atof(word.c_str());
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0.0 || period <= 0.0) return kUnlimited;
  return std::max(1, static_cast<int>(quota / period + 0.5));
}

}  // namespace

int default_n_threads() { return std::min(affinity_count(), cgroup_count()); }

int resolve_n_threads(int requested) {
  constexpr int kMostThreads = 1024;
  if (requested < 0 || requested > kMostThreads) {
    throw ShapeError("n_threads must be 0 (all) to " + std::to_string(kMostThreads) + ", got " +
                     std::to_string(requested));
  }
  return requested > 0 ? requested : default_n_threads();
}

}  // namespace sottovoce
