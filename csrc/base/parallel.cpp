// How many threads this process may use.
#include "parallel.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sottovoce/error.h>
#include <sottovoce/runtime.h>

#include "environment.h"

namespace sottovoce {

namespace {

constexpr int kMostThreads = 1024;

// Numbers of the CPUs that this process may run on; all there are if that cannot be told.
std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  } else {
    cpus.resize(std::max(1u, std::thread::hardware_concurrency()));
    std::iota(cpus.begin(), cpus.end(), 0);
  }
  return cpus;
}

// More threads than CPUs wait for each other's turn.
int most_threads() {
  const std::string& asked = environment().most_threads;
  if (asked.empty()) return static_cast<int>(allowed_cpus().size());
  const long most = std::strtol(asked.c_str(), nullptr, 10);
  if (most < 1 || most > kMostThreads ||
      asked.find_first_not_of("0123456789") != std::string::npos) {
    throw ShapeError("SOTTOVOCE_MOST_THREADS must be 1 to " + std::to_string(kMostThreads) +
                     ", got '" + asked + "'");
  }
  return static_cast<int>(most);
}

constexpr double kUnlimited = 1e9;  // CPUs

// CPUs that one group allows: v2's cpu.max, or v1's two files.
double quota_of(const std::string& group) {
  double quota = -1.0;
  double period = 0.0;
  std::string word;
  std::ifstream v2(group + "/cpu.max");
  if (v2 >> word >> period) {
    quota = word == "max" ? -1.0 : std::atof(word.c_str());
  } else {
    std::ifstream(group + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(group + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0.0 && period > 0.0 ? quota / period : kUnlimited;
}

// The least of a group, which lies in `hierarchy`, and of those that it is part of.
double least_quota(const std::string& hierarchy, std::string group) {
  double least = quota_of(hierarchy);
  for (; group.size() > 1 && group[0] == '/'; group.erase(group.find_last_of('/'))) {
    least = std::min(least, quota_of(hierarchy + group));
  }
  return least;
}

}  // namespace

// Lines of /proc/self/cgroup are "number:controllers:/group", in v2 "0::/group".
int cgroup_cpus(const std::string& root) {
  const std::string mounted = root + "/sys/fs/cgroup";
  double least = std::min(quota_of(mounted), quota_of(mounted + "/cpu"));
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      least = std::min(least, least_quota(mounted, group));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      least = std::min(least, least_quota(mounted + "/cpu", group));
    }
  }
  return static_cast<int>(std::max(1.0, std::min(least + 0.5, kUnlimited)));
}

// A core's siblings name the same CPUs: "3,19".
int physical_cores(const std::string& root, const std::vector<int>& cpus) {
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    const std::string name = "/cpu" + std::to_string(cpu);
    std::string siblings = name;
    std::ifstream(root + "/sys/devices/system/cpu" + name + "/topology/thread_siblings_list") >>
        siblings;
    cores.insert(siblings.empty() ? name : siblings);
  }
  return static_cast<int>(cores.size());
}

int default_n_threads() {
  return std::min({physical_cores("", allowed_cpus()), cgroup_cpus(""), most_threads()});
}

int resolve_n_threads(int requested) {
  if (requested < 0 || requested > kMostThreads) {
    throw ShapeError("n_threads must be 0 (all) to " + std::to_string(kMostThreads) + ", got " +
                     std::to_string(requested));
  }
  return requested > 0 ? std::min(requested, most_threads()) : default_n_threads();
}

}  // namespace sottovoce
