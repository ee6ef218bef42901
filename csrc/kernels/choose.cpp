// Which tables this CPU can run, and which one a new model gets.
#include <cstring>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "isa.h"
#include "x86_features.h"

namespace sottovoce::kernels {

namespace {

struct Available {
  const Table* tables[8] = {};  // slowest first, ended by null

  Available() {
    int n = 0;
    tables[n++] = &kScalarTable;
#if defined(__x86_64__)
    const X86Features cpu = x86_features();
    if (!cpu.avx2) return;
    tables[n++] = &kAvx2Table;
    if (cpu.avx_vnni) tables[n++] = &kAvx2VnniTable;
    if (!cpu.avx512) return;
    tables[n++] = &kAvx512Table;
    if (!cpu.avx512_vnni) return;
    tables[n++] = &kAvx512VnniTable;
    if (cpu.avx512_bf16) tables[n++] = &kAvx512Bf16Table;
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
  if (name[0] != '\0') return find_table(name);
  const Table* const* table = available_tables();
  while (table[1]) ++table;
  return *table;
}

}  // namespace sottovoce::kernels
