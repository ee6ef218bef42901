// Bits of CPUID and of XCR0 after Intel's manual, volume 2A (CPUID) and volume 1, 13.3 (XCR0).
#if defined(__x86_64__)

#include "x86_features.h"

#include <cpuid.h>
#include <stdint.h>

namespace sottovoce::kernels {

namespace {

struct Registers {
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
};

// Zeros where this CPU has no such leaf.
Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool has(uint32_t bits, int bit) { return (bits >> bit & 1u) != 0; }

// The registers that the system keeps for each of its threads: bits of XCR0.
uint32_t saved_registers() {
  uint32_t low;
  uint32_t high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

X86Features x86_features() {
  constexpr uint32_t kYmm = 0x06;  // xmm and the upper halves of ymm
  constexpr uint32_t kZmm = 0xe6;  // masks, the upper halves of zmm, and zmm16 to zmm31 as well
  X86Features features = {};
  const uint32_t basic = cpuid(1, 0).ecx;
  const bool xgetbv = has(basic, 27);  // and the system uses it
  const uint32_t saved = xgetbv ? saved_registers() : 0;
  if ((saved & kYmm) != kYmm || !has(basic, 28)) return features;  // 28: AVX

  const Registers extended = cpuid(7, 0);
  const bool fma = has(basic, 12);
  const bool f16c = has(basic, 29);
  const uint32_t more = extended.eax >= 1 ? cpuid(7, 1).eax : 0;
  features.avx2 = has(extended.ebx, 5) && fma && f16c;
  features.avx_vnni = has(more, 4);
  if ((saved & kZmm) != kZmm) return features;
  features.avx512 = has(extended.ebx, 16) && has(extended.ebx, 30) && has(extended.ebx, 17) &&
                    has(extended.ebx, 31);  // F, BW, DQ, VL
  features.avx512_vnni = has(extended.ecx, 11);
  features.avx512_bf16 = has(more, 5);
  return features;
}

}  // namespace sottovoce::kernels

#endif  // defined(__x86_64__)
