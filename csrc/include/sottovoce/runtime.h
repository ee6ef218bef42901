// What the machine gives a model, and what there is to choose from.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace sottovoce {

// Never what the network is or what the caller wants decoded. The environment is read once, when
// the library is loaded.
struct RuntimeOptions {
  // 0: default_n_threads(). More than the CPUs that this process may run on (or, if it is set, than
  // SOTTOVOCE_MOST_THREADS) are as many as those: Model::n_threads() tells.
  int n_threads = 0;
  std::string isa;  // "", or one of available_isas(); "" asks SOTTOVOCE_ISA, then CPUID
  std::string compute_type = "float32";  // or "bfloat16", "int8", "auto"
  std::string threading = "pool";        // or "openmp", if it is in available_threading()
  // "cpu", or "auto": the best there is; "" asks SOTTOVOCE_DEVICE, then takes "cpu".
  std::string device;
};

// Throws ShapeError as a model with these options would, before there is one.
void check_runtime(const RuntimeOptions& options);

// Kernel tables this CPU can run, slowest first: "scalar", "avx2", ... "avx512_bf16".
std::vector<std::string> available_isas();
// Whose threads there are to compute on; the bits are the same. "pool": the model's own. "openmp",
// if the library was built with it: the OpenMP team of the calling thread, for programs that have
// one already; n_threads 0 is then no more than OMP_NUM_THREADS either.
std::vector<std::string> available_threading();
// A thread for every core, siblings counted once, of the CPUs that affinity and cgroup quota leave
// to this process; no more than SOTTOVOCE_MOST_THREADS.
int default_n_threads();

// A way out of long calls. While one lives, the calls of the thread that made it call `check`, on
// that thread, about ten times a second; what `check` throws ends the call, which throws it to its
// caller. A model serves on afterwards as if the call had not been made. Within another one's life
// it takes the other's place.
//
//   const Interruptible here([&] { if (stopped) throw Stopped(); });
//   model.encode(mel);
class Interruptible {
 public:
  explicit Interruptible(std::function<void()> check);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  std::function<void()> check_;
  const std::function<void()>* before_;
};

}  // namespace sottovoce
