// What an x86-64 CPU and its operating system offer of what the tables are made of.
#pragma once

namespace sottovoce::kernels {

struct X86Features {
  bool avx2;         // with FMA and F16C
  bool avx_vnni;     // dot products of bytes in ymm registers
  bool avx512;       // F, BW, DQ and VL
  bool avx512_vnni;  // dot products of bytes in zmm registers
  bool avx512_bf16;  // dot products of bfloat16
};

// Of this machine: CPUID and XGETBV by hand, because compilers know different names of features
// (Clang has all of them from 19 on).
X86Features x86_features();

}  // namespace sottovoce::kernels
