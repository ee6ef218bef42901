// GEMM of three operand types: rows of A against one packed panel of B. Included inside an
// instruction set's namespace after its vector types and math.inl.
//
// A step along k takes one word of 32 bits: one float32, two bfloat16 or four bytes. Each output
// element is a sum of chains of kChain steps, taken in the order of k whatever the tile it falls
// into, so a row's result does not depend on the rows beside it. Short chains keep rounding errors
// small: single chains of float32 made the whole encoder err twice as much and more.

constexpr int kMr = 6;
constexpr ptrdiff_t kNr = kGemmVectors * kLanes;
constexpr ptrdiff_t kWord = 4;  // bytes
constexpr ptrdiff_t kChain = 256;
constexpr ptrdiff_t kPrefetch = 8192;  // bytes ahead
// A panel of kNr * kLongestPanel words stays in the second-level cache (512 KB at 64 columns)
// while tiles of rows pass over it one by one; a longer one is walked in chunks of kChain, each by
// a block of kBlockRows rows whose sums wait in the first-level cache.
constexpr ptrdiff_t kLongestPanel = 2048;
constexpr ptrdiff_t kBlockRows = 10 * kMr;

// What the tile must know of an operand type: its words, and what a step adds to a sum.
struct F32Operands {
  using Word = F32;
  using Sum = F32;
  static Word broadcast_a(const char* p) {
    float word;
    __builtin_memcpy(&word, p, sizeof(word));
    return broadcast(word);
  }
  static Word load_b(const char* p) { return load(reinterpret_cast<const float*>(p)); }
  static Sum dot(Word a, Word b, Sum sum) { return multiply_add(a, b, sum); }
  static F32 activate(F32 x) { return gelu(x); }
};

struct BF16Operands {
  using Word = I32;
  using Sum = F32;
  static Word broadcast_a(const char* p) { return broadcast_word(p); }
  static Word load_b(const char* p) { return load_words(p); }
  static Sum dot(Word a, Word b, Sum sum) { return dot_bf16(a, b, sum); }
  static F32 activate(F32 x) { return rough_gelu(x); }
};

struct I8Operands {
  using Word = I32;
  using Sum = I32;
  static Word broadcast_a(const char* p) { return broadcast_word(p); }
  static Word load_b(const char* p) { return load_words(p); }
  static Sum dot(Word a, Word b, Sum sum) { return dot_i8(a, b, sum); }
  static F32 activate(F32 x) { return rough_gelu(x); }
};

inline void clear(F32& sum) { sum = zero(); }
inline void clear(I32& sum) { sum = zero_words(); }
inline void load_sum(const float* p, F32& sum) { sum = load(p); }
inline void load_sum(const float* p, I32& sum) { sum = load_words(p); }
inline void store_sum(float* p, F32 sum) { store(p, sum); }
inline void store_sum(float* p, I32 sum) { store_words(p, sum); }
inline F32 add(F32 a, F32 b) { return a + b; }
inline I32 add(I32 a, I32 b) { return add_words(a, b); }

// sums[Rows, kNr] (+)= A[Rows, k] B[k, kNr]: kMr x kGemmVectors accumulators in registers. `sums`
// holds int32 where the operands are bytes.
// `prefetch`: B comes from memory, and nothing else hides how long that takes.
template <class Operands, int Rows, bool prefetch>
inline __attribute__((always_inline)) void tile(const char* a, ptrdiff_t lda, const char* b,
                                                ptrdiff_t k_words, bool accumulate, float* sums,
                                                ptrdiff_t ld_sums) {
  using Sum = typename Operands::Sum;
  Sum acc[Rows][kGemmVectors];
#pragma GCC unroll 8
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) clear(acc[row][v]);
  }
  for (ptrdiff_t step = 0; step < k_words; ++step) {
    typename Operands::Word b_row[kGemmVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) b_row[v] = Operands::load_b(b + v * kLanes * kWord);
    if (prefetch) {
      for (ptrdiff_t line = 0; line < kNr * kWord; line += 64) {
        __builtin_prefetch(b + kPrefetch + line);
      }
    }
#pragma GCC unroll 8
    for (int row = 0; row < Rows; ++row) {
      const auto a_word = Operands::broadcast_a(a + row * lda + step * kWord);
#pragma GCC unroll 8
      for (int v = 0; v < kGemmVectors; ++v) {
        acc[row][v] = Operands::dot(a_word, b_row[v], acc[row][v]);
      }
    }
    b += kNr * kWord;
  }
#pragma GCC unroll 8
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) {
      float* sum = sums + row * ld_sums + v * kLanes;
      if (accumulate) {
        Sum before;
        load_sum(sum, before);
        acc[row][v] = add(before, acc[row][v]);
      }
      store_sum(sum, acc[row][v]);
    }
  }
}

template <class Operands>
__attribute__((noinline)) void tile_of(ptrdiff_t rows, const char* a, ptrdiff_t lda, const char* b,
                                       ptrdiff_t k_words, bool accumulate, float* sums,
                                       ptrdiff_t ld_sums) {
  switch (rows) {
    case 1:
      return tile<Operands, 1, true>(a, lda, b, k_words, accumulate, sums, ld_sums);
    case 2:
      return tile<Operands, 2, true>(a, lda, b, k_words, accumulate, sums, ld_sums);
    case 3:
      return tile<Operands, 3, true>(a, lda, b, k_words, accumulate, sums, ld_sums);
    case 4:
      return tile<Operands, 4, true>(a, lda, b, k_words, accumulate, sums, ld_sums);
    case 5:
      return tile<Operands, 5, true>(a, lda, b, k_words, accumulate, sums, ld_sums);
    default:
      return tile<Operands, kMr, false>(a, lda, b, k_words, accumulate, sums, ld_sums);
  }
}

// Sums as float32: those of bytes without the offset of their activations, and scaled.
inline F32 finished_sum(const Gemm&, const float* sum, ptrdiff_t, F32Operands) { return load(sum); }
inline F32 finished_sum(const Gemm&, const float* sum, ptrdiff_t, BF16Operands) {
  return load(sum);
}
inline F32 finished_sum(const Gemm& args, const float* sum, ptrdiff_t column, I8Operands) {
  const I32 exact = subtract_words(load_words(sum), load_words(args.b_sums + column));
  return to_float(exact) * load(args.b_scales + column);
}

// values[0..n) of one row to the places that `scatter` gives them.
template <class Element>
inline void scatter_row(const Gemm& args, ptrdiff_t row, const Element* values) {
  const Scatter& scatter = args.scatter;
  const ptrdiff_t at = scatter.first_row + row;
  Element* out = static_cast<Element*>(args.c) + at / scatter.group * scatter.group_stride +
                 at % scatter.group * scatter.stride;
  for (ptrdiff_t i = 0; i < args.n; ++i) out[scatter.columns[i]] = values[i];
}

// c[row, 0..n) = activation(sums[row] * scales + bias) + residual[row].
template <class Operands>
inline void finish_rows(const Gemm& args, const float* sums, ptrdiff_t first_row, ptrdiff_t rows) {
  const bool scattered = args.scatter.columns != nullptr;
  alignas(64) float line_f32[kNr];
  alignas(64) uint16_t line_bf16[kNr];
  for (ptrdiff_t row = first_row; row < first_row + rows; ++row, sums += kNr) {
    const float* residual = args.residual ? args.residual + row * args.ld_residual : nullptr;
    float* to_f32 = scattered ? line_f32 : static_cast<float*>(args.c) + row * args.ldc;
    uint16_t* to_bf16 = scattered ? line_bf16 : static_cast<uint16_t*>(args.c) + row * args.ldc;
    for (ptrdiff_t column = 0; column < args.n; column += kLanes) {
      const ptrdiff_t lanes = args.n - column < kLanes ? args.n - column : kLanes;
      F32 value = finished_sum(args, sums + column, column, Operands{});
      if (args.a_scales) value = value * broadcast(args.a_scales[row]);
      if (args.bias) value = value + load(args.bias + column);
      if (args.activation == Activation::kGelu) value = Operands::activate(value);
      if (residual) value = value + load_lanes(residual + column, lanes, 0.0f);
      if (args.c_is_bf16) {
        store_lanes_bf16(to_bf16 + column, value, lanes);
      } else {
        store_lanes(to_f32 + column, value, lanes);
      }
    }
    if (!scattered) continue;
    if (args.c_is_bf16) {
      scatter_row(args, row, line_bf16);
    } else {
      scatter_row(args, row, line_f32);
    }
  }
}

// Whether the sums themselves are the result: then they are stored where they belong.
inline bool is_plain(const Gemm& args) {
  return !args.b_scales && !args.a_scales && !args.bias && !args.residual && !args.c_is_bf16 &&
         !args.scatter.columns && args.n == kNr && args.activation == Activation::kNone;
}

template <class Operands>
inline void gemm_panel(const Gemm& args) {
  alignas(64) float buffer[kBlockRows * kNr];
  const bool plain = is_plain(args);
  const ptrdiff_t ld_sums = plain ? args.ldc : kNr;
  // 7 to 10 rows make two tiles of at most 5, which fetch B ahead.
  const ptrdiff_t tile_rows = args.m > kMr && args.m < 2 * kMr - 1 ? (args.m + 1) / 2 : kMr;
  const ptrdiff_t block_rows = args.k_words <= kLongestPanel ? tile_rows : kBlockRows;
  for (ptrdiff_t block = 0; block < args.m; block += block_rows) {
    const ptrdiff_t rows = args.m - block < block_rows ? args.m - block : block_rows;
    const char* a = static_cast<const char*>(args.a) + block * args.lda;
    float* sums = plain ? static_cast<float*>(args.c) + block * args.ldc : buffer;
    for (ptrdiff_t step = 0; step == 0 || step < args.k_words; step += kChain) {
      const ptrdiff_t k_words = args.k_words - step < kChain ? args.k_words - step : kChain;
      const char* b = static_cast<const char*>(args.b) + step * kNr * kWord;
      for (ptrdiff_t row = 0; row < rows; row += tile_rows) {
        tile_of<Operands>(rows - row < tile_rows ? rows - row : tile_rows,
                          a + row * args.lda + step * kWord, args.lda, b, k_words, step > 0,
                          sums + row * ld_sums, ld_sums);
      }
    }
    if (!plain) finish_rows<Operands>(args, sums, block, rows);
  }
}

// Panel after panel: each reads all rows of A while it stays in the cache.
template <class Operands>
inline void gemm(const Gemm& args) {
  Gemm panel = args;
  const ptrdiff_t size = args.c_is_bf16 ? 2 : 4;
  for (ptrdiff_t column = 0; column < args.n; column += kNr) {
    panel.n = args.n - column < kNr ? args.n - column : kNr;
    gemm_panel<Operands>(panel);
    panel.b = static_cast<const char*>(panel.b) + args.k_words * kNr * kWord;
    if (args.b_scales) panel.b_scales += kNr;
    if (args.b_sums) panel.b_sums += kNr;
    if (args.bias) panel.bias += kNr;
    if (args.residual) panel.residual += kNr;
    if (args.scatter.columns) {
      panel.scatter.columns += kNr;
    } else {
      panel.c = static_cast<char*>(panel.c) + kNr * size;
    }
  }
}

void gemm_f32(const Gemm& args) { gemm<F32Operands>(args); }
void gemm_bf16(const Gemm& args) { gemm<BF16Operands>(args); }
void gemm_i8(const Gemm& args) { gemm<I8Operands>(args); }
