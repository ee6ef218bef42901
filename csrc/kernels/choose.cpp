// Which tables this CPU can run, and which one a new model gets.
#include <cstdlib>
#include <cstring>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "isa.h"

namespace sottovoce::kernels {

namespace {

struct Available {
  const Table* tables[8] = {};  // slowest first, ended by null

  Available() {
    int n = 0;
    tables[n++] = &kScalarTable;
#if defined(__x86_64__)
    // GCC's builtin reads CPUID and XGETBV: the operating system must save the registers too.
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("f16c")) {
      return;
    }
    tables[n++] = &kAvx2Table;
    if (__builtin_cpu_supports("avxvnni")) tables[n++] = &kAvx2VnniTable;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
      return;
    }
    tables[n++] = &kAvx512Table;
    if (!__builtin_cpu_supports("avx512vnni")) return;
    tables[n++] = &kAvx512VnniTable;
    if (__builtin_cpu_supports("avx512bf16")) tables[n++] = &kAvx512Bf16Table;
#elif defined(__aarch64__)
    tables[n++] = &kNeonTable;
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) tables[n++] = &kNeonDotprodTable;
#endif
  }
};

}  // namespace

const Table* const* available_tables() {
  static const Available available;
  return available.tables;
}

const Table* find_table(const char* name) {
  for (const Table* const* table = available_tables(); *table; ++table) {
    if (std::strcmp((*table)->name, name) == 0) return *table;
  }
  return nullptr;
}

const Table* choose_table(const char* name) {
  if (name[0] == '\0') {
    const char* forced = std::getenv("SOTTOVOCE_ISA");
    name = forced ? forced : "";
  }
  if (name[0] != '\0') return find_table(name);
  const Table* const* table = available_tables();
  while (table[1]) ++table;
  return *table;
}

}  // namespace sottovoce::kernels
