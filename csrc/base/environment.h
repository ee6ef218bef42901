// What the environment asks for, read when the library is loaded and never again: getenv beside a
// thread that writes the environment, as Python's os.environ does, is a crash.
#pragma once

#include <string>

namespace sottovoce {

struct Environment {
  std::string isa;           // SOTTOVOCE_ISA, or ""
  std::string device;        // SOTTOVOCE_DEVICE, or ""
  std::string most_threads;  // SOTTOVOCE_MOST_THREADS, or ""
};

const Environment& environment();

}  // namespace sottovoce
