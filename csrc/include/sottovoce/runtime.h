// What the machine gives a model, and what there is to choose from.
#pragma once

#include <string>
#include <vector>

namespace sottovoce {

// Never what the network is or what the caller wants decoded.
struct RuntimeOptions {
  std::string device;  // "cpu", or "auto": the best there is; "" asks SOTTOVOCE_DEVICE, then "cpu"
  int n_threads = 0;   // 0: all this process may use
  std::string isa;     // "", or one of available_isas(); "" asks SOTTOVOCE_ISA, then CPUID
  std::string compute_type = "float32";  // or "bfloat16", "int8", "auto"
};

// Kernel tables this CPU can run, slowest first: "scalar", "avx2", ... "avx512_bf16".
std::vector<std::string> available_isas();
// Threads that this process may use: CPU affinity and cgroup quota.
int default_n_threads();

}  // namespace sottovoce
