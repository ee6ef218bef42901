// Milliseconds since a moment, for metrics.
#pragma once

#include <chrono>

namespace sottovoce {

inline double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace sottovoce
