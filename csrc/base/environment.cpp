// Reading it while the program starts, or the module is imported.
#include "environment.h"

#include <cstdlib>

namespace sottovoce {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

const Environment at_load{variable("SOTTOVOCE_ISA"), variable("SOTTOVOCE_DEVICE"),
                          variable("SOTTOVOCE_MOST_THREADS")};

}  // namespace

const Environment& environment() { return at_load; }

}  // namespace sottovoce
