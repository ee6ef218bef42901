// What every back end has, and which one a name means.
#include "backend.h"

#include <memory>
#include <string>

#include <sottovoce/error.h>

#include "cpu_backend.h"
#include "environment.h"
#include "guarded_backend.h"
#include "parallel.h"

namespace sottovoce::ops {

Backend::Backend(const RuntimeOptions& options)
    : threads_(make_threads(options.threading, options.n_threads)),
      host_(make_context(options.isa, *threads_)) {}

std::unique_ptr<Backend> open_backend(const RuntimeOptions& options) {
  const bool by_environment = options.device.empty() && !environment().device.empty();
  const std::string& device = by_environment ? environment().device : options.device;
  if (device.empty() || device == "cpu" || device == "auto") {
    return std::make_unique<CpuBackend>(options);
  }
  if (device == "cpu-guarded") return std::make_unique<GuardedBackend>(options);
  throw ShapeError("device must be 'cpu' or 'auto', got '" + device + "'" +
                   (by_environment ? " from SOTTOVOCE_DEVICE" : ""));
}

}  // namespace sottovoce::ops

namespace sottovoce {

void check_runtime(const RuntimeOptions& options) {
  resolve_n_threads(options.n_threads);
  RuntimeOptions alone = options;
  alone.n_threads = 1;  // nobody waits for threads to start
  ops::open_backend(alone)->compute_type(options.compute_type);
}

}  // namespace sottovoce
