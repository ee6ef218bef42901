// Which kernels and how many threads a model gets.
#include "host.h"
#include "kernels.h"

#include <cstdlib>

#include <sottovoce/error.h>
#include <sottovoce/runtime.h>

namespace sottovoce {

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const kernels::Table* const* table = kernels::available_tables(); *table; ++table) {
    names.emplace_back((*table)->name);
  }
  return names;
}

namespace ops {

Context make_context(const std::string& isa, Threads& threads) {
  const kernels::Table* table = kernels::choose_table(isa.c_str());
  if (!table) {
    const char* forced = std::getenv("SOTTOVOCE_ISA");
    std::string known;
    for (const std::string& name : available_isas()) known += (known.empty() ? "" : ", ") + name;
    throw ShapeError(
        "isa must be one this CPU has (" + known + "), got '" +
        (isa.empty() && forced ? std::string(forced) + "' from SOTTOVOCE_ISA" : isa + "'"));
  }
  return {table, &threads};
}

const char* isa_name(const Context& context) { return context.kernels->name; }

}  // namespace ops
}  // namespace sottovoce
