// What this machine gives at this moment: probe [n_threads], one JSON object, in about 0.2 s.
//
// Peaks in 1e9 operations (float32, bfloat16, int8; 0: no such instruction) and 1e9 bytes a second
// (reads from DRAM and from the last cache), on one thread and on n_threads.
#include <cstdio>
#include <cstdlib>

#include "peaks.h"

int main(int argc, char** argv) {
  const int asked = argc > 1 ? std::atoi(argv[1]) : 0;
  const int most = static_cast<int>(std::thread::hardware_concurrency());
  const int n_threads = std::max(1, asked > 0 ? asked : most);
  constexpr std::size_t kMegabyte = std::size_t{1} << 20;
  const peaks::Reader memory(160 * kMegabyte);  // several times a last cache of 32 MB
  const std::size_t cached = 6 * kMegabyte;     // of each thread: more than its second cache
  std::printf("{\"n_threads\": %d", n_threads);
  for (const int n : {1, n_threads}) {
    std::printf(", \"%s\": {\"float32\": %.1f, \"bfloat16\": %.1f, \"int8\": %.1f",
                n == 1 ? "one" : "all", peaks::compute<peaks::Float32>(n),
                peaks::compute<peaks::BFloat16>(n), peaks::compute<peaks::Int8>(n));
    std::printf(", \"dram\": %.1f, \"cache\": %.1f}", memory.bandwidth(160 * kMegabyte, n, 1),
                memory.bandwidth(cached * n, n, 8));
    if (n_threads == 1) std::printf(", \"all\": null");
    if (n_threads == 1) break;
  }
  std::printf("}\n");
  return 0;
}
