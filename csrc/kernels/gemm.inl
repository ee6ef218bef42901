// GEMM of three operand types: rows of A against packed panels of B. Included inside an
// instruction set's namespace after its vector types and math.inl.
//
// A step along k takes one word of 32 bits: one float32, two bfloat16 or four bytes. Each output
// element is a sum of chains of kRoundedChain steps, taken in the order of k whatever the tile it
// falls into, so a row's result does not depend on the rows beside it. Short chains keep rounding
// errors small: single chains of float32 made the whole encoder err twice as much and more. Sums of
// bytes are exact in one.

constexpr int kMr = 6;
constexpr ptrdiff_t kNr = kGemmVectors * kLanes;
constexpr ptrdiff_t kWord = 4;  // bytes
constexpr ptrdiff_t kRoundedChain = 256;
constexpr ptrdiff_t kPrefetch = 8192;  // bytes ahead
// A panel of kNr * kLongestPanel words stays in the second-level cache (512 KB at 64 columns)
// while tiles of rows pass over it one by one; a longer one is walked in chunks of kChunk words,
// each by a block of kBlockRows rows whose sums wait in the first-level cache.
constexpr ptrdiff_t kLongestPanel = 2048;
constexpr ptrdiff_t kChunk = 4 * kRoundedChain;
constexpr ptrdiff_t kBlockRows = 10 * kMr;

// What the tile must know of an operand type: its words, the bytes of a row of B, what a step adds
// to a sum, and how sums are scaled.
struct F32Operands {
  using Word = F32;
  using Sum = F32;
  static constexpr ptrdiff_t kChain = kRoundedChain;
  static Word broadcast_a(const char* p) {
    float word;
    __builtin_memcpy(&word, p, sizeof(word));
    return broadcast(word);
  }
  static constexpr ptrdiff_t kRow = kNr * kWord;
  static Word load_b(const char* row, int v) {
    return load(reinterpret_cast<const float*>(row) + v * kLanes);
  }
  static Sum dot(Word a, Word b, Sum sum) { return multiply_add(a, b, sum); }
  static F32 activate(F32 x) { return gelu(x); }
  // Sums as they are.
  struct Scaling {};
  static Scaling scaling_of(const Gemm&, ptrdiff_t) { return {}; }
  static F32 scaled(const float* sum, Scaling) { return load(sum); }
};

struct BF16Operands {
  using Word = I32;
  using Sum = F32;
  static constexpr ptrdiff_t kChain = kRoundedChain;
  static Word broadcast_a(const char* p) { return broadcast_word(p); }
  static constexpr ptrdiff_t kRow = kNr * kWord;
  static Word load_b(const char* row, int v) { return load_words(row + v * kLanes * kWord); }
  static Sum dot(Word a, Word b, Sum sum) { return dot_bf16(a, b, sum); }
  static F32 activate(F32 x) { return rough_gelu(x); }
  using Scaling = F32Operands::Scaling;
  static Scaling scaling_of(const Gemm&, ptrdiff_t) { return {}; }
  static F32 scaled(const float* sum, Scaling) { return load(sum); }
};

struct I8Operands {
  using Word = I32;
  using Sum = I32;
  static constexpr ptrdiff_t kChain = kLongestPanel;
  static Word broadcast_a(const char* p) { return broadcast_word(p); }
  static constexpr ptrdiff_t kRow = kNr * kWord;
  static Word load_b(const char* row, int v) { return load_words(row + v * kLanes * kWord); }
  static Sum dot(Word a, Word b, Sum sum) { return dot_i8(a, b, sum); }
  static F32 activate(F32 x) { return rough_gelu(x); }
  // Sums without the offset of their activations, times the scales of their columns.
  struct Scaling {
    I32 offset;
    F32 scale;
  };
  static Scaling scaling_of(const Gemm& args, ptrdiff_t column) {
    return {load_words(args.b_sums + column), load(args.b_scales + column)};
  }
  static F32 scaled(const float* sum, Scaling scaling) {
    return to_float(subtract_words(load_words(sum), scaling.offset)) * scaling.scale;
  }
};

// bfloat16 by int8, in bfloat16: a byte is a bfloat16 without rounding. B has a row of bytes for
// every element along k, so a word of it stands in two rows.
struct BF16ByI8Operands : BF16Operands {
  static constexpr ptrdiff_t kRow = 2 * kNr;
  static Word load_b(const char* row, int v) {
    return pairs_of_bytes(row + v * kLanes, row + kNr + v * kLanes);
  }
  using Scaling = F32;
  static Scaling scaling_of(const Gemm& args, ptrdiff_t column) {
    return args.b_scales ? load(args.b_scales + column) : broadcast(1.0f);
  }
  static F32 scaled(const float* sum, Scaling scaling) { return load(sum) * scaling; }
};

inline void clear(F32& sum) { sum = zero(); }
inline void clear(I32& sum) { sum = zero_words(); }
inline void load_sum(const float* p, F32& sum) { sum = load(p); }
inline void load_sum(const float* p, I32& sum) { sum = load_words(p); }
inline void store_sum(float* p, F32 sum) { store(p, sum); }
inline void store_sum(float* p, I32 sum) { store_words(p, sum); }
inline F32 add(F32 a, F32 b) { return a + b; }
inline I32 add(I32 a, I32 b) { return add_words(a, b); }

// What a tile reads and writes: a few rows of A and a panel of B, along some of k.
struct Tile {
  const char* a;  // (rows, k_words) words
  ptrdiff_t lda;  // bytes from row to row
  const char* b;  // (k_words, kNr) words
  ptrdiff_t k_words;
  float* sums;        // (rows, kNr), int32 where the operands are bytes
  ptrdiff_t ld_sums;  // words from row to row
  bool accumulate;    // onto what stands there
};

// sums[Rows, kNr] (+)= A[Rows, k] B[k, kNr]: kMr x kGemmVectors accumulators in registers.
// `prefetch`: B comes from memory, and nothing else hides how long that takes.
template <class Operands, int Rows, bool prefetch>
inline __attribute__((always_inline)) void multiply(Tile tile) {
  using Sum = typename Operands::Sum;
  const char* b = tile.b;
  Sum acc[Rows][kGemmVectors];
#pragma GCC unroll 8
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) clear(acc[row][v]);
  }
#pragma GCC unroll 4
  for (ptrdiff_t step = 0; step < tile.k_words; ++step) {
    typename Operands::Word b_row[kGemmVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) b_row[v] = Operands::load_b(b, v);
    if (prefetch) {
      for (ptrdiff_t line = 0; line < Operands::kRow; line += 64) {
        __builtin_prefetch(b + kPrefetch + line);
      }
    }
#pragma GCC unroll 8
    for (int row = 0; row < Rows; ++row) {
      const auto a_word = Operands::broadcast_a(tile.a + row * tile.lda + step * kWord);
#pragma GCC unroll 8
      for (int v = 0; v < kGemmVectors; ++v) {
        acc[row][v] = Operands::dot(a_word, b_row[v], acc[row][v]);
      }
    }
    b += Operands::kRow;
  }
#pragma GCC unroll 8
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) {
      float* sum = tile.sums + row * tile.ld_sums + v * kLanes;
      if (tile.accumulate) {
        Sum before;
        load_sum(sum, before);
        acc[row][v] = add(before, acc[row][v]);
      }
      store_sum(sum, acc[row][v]);
    }
  }
}

template <class Operands>
__attribute__((noinline)) void multiply_rows(ptrdiff_t rows, Tile tile) {
  switch (rows) {
    case 1:
      return multiply<Operands, 1, true>(tile);
    case 2:
      return multiply<Operands, 2, true>(tile);
    case 3:
      return multiply<Operands, 3, true>(tile);
    case 4:
      return multiply<Operands, 4, true>(tile);
    case 5:
      return multiply<Operands, 5, true>(tile);
    default:
      return multiply<Operands, kMr, false>(tile);
  }
}

// What the rows of a block are added to and written over comes from memory while their sums are
// computed. Always inline: GCC 12 drops calls of functions that do nothing but fetch ahead.
inline __attribute__((always_inline)) void prefetch_results(const Gemm& args, ptrdiff_t first_row,
                                                            ptrdiff_t rows) {
  const ptrdiff_t size = args.c_is_bf16 ? 2 : 4;
  const bool in_place = args.residual == args.c;
  for (ptrdiff_t row = first_row; row < first_row + rows; ++row) {
    if (args.layout == Layout::kRows) {
      const char* c = static_cast<const char*>(args.c) + row * args.ldc * size;
      for (ptrdiff_t at = 0; at < args.n * size; at += 64) __builtin_prefetch(c + at, 1);
    }
    if (args.residual && !in_place) {
      const float* residual = args.residual + row * args.ld_residual;
      for (ptrdiff_t i = 0; i < args.n; i += 16) __builtin_prefetch(residual + i);
    }
  }
}

inline ptrdiff_t divide_up(ptrdiff_t n, ptrdiff_t by) { return (n + by - 1) / by; }

// Where dimension d of a key stands, e elements in a word:
// (n_head, ceil(n_ctx / kNr), ceil(d_head / e), kNr, e)[head, position / kNr, d / e,
// position % kNr, d % e].
template <ptrdiff_t e>
inline ptrdiff_t key_index(const HeadPanels& panels, ptrdiff_t head, ptrdiff_t position,
                           ptrdiff_t d) {
  const ptrdiff_t panel = head * divide_up(panels.n_ctx, kNr) + position / kNr;
  const ptrdiff_t word = (panel * divide_up(panels.d_head, e) + d / e) * kNr + position % kNr;
  return word * e + d % e;
}

// Where dimension d of a value stands:
// (n_head, ceil(d_head / kNr), ceil(n_ctx / e), kNr, e)[head, d / kNr, position / e, d % kNr,
// position % e].
template <ptrdiff_t e>
inline ptrdiff_t value_index(const HeadPanels& panels, ptrdiff_t head, ptrdiff_t position,
                             ptrdiff_t d) {
  const ptrdiff_t panel = head * divide_up(panels.d_head, kNr) + d / kNr;
  const ptrdiff_t word = (panel * divide_up(panels.n_ctx, e) + position / e) * kNr + d % kNr;
  return word * e + position % e;
}

// Columns of C that are neighbours in a panel: `n` of them from `column` on are dimensions d, d +
// 1,
// ... of a head.
struct HeadColumns {
  ptrdiff_t column;
  ptrdiff_t n;
  ptrdiff_t head;
  ptrdiff_t d;
};

inline HeadColumns columns_from(const Gemm& args, ptrdiff_t column) {
  const ptrdiff_t of_all = args.panels.first_column + column;
  const ptrdiff_t d = of_all % args.panels.d_head;
  ptrdiff_t n = args.n - column;
  if (n > args.panels.d_head - d) n = args.panels.d_head - d;
  if (n > kNr - d % kNr) n = kNr - d % kNr;
  return {column, n, of_all / args.panels.d_head, d};
}

// The key at `position`, `line` a row of C: from d to d its words are kNr apart. Two bfloat16 of
// the line are a word as they stand; only heads of odd d_head have half a word to store.
template <ptrdiff_t e>
inline void store_key(const Gemm& args, const HeadColumns& columns, ptrdiff_t position,
                      const float* line) {
  constexpr ptrdiff_t size = kWord / e;
  const char* from = reinterpret_cast<const char*>(line) + columns.column * size;
  const auto place_of = [&](ptrdiff_t i) {
    return static_cast<char*>(args.c) +
           key_index<e>(args.panels, columns.head, position, columns.d + i) * size;
  };
  ptrdiff_t i = columns.d % e;
  if (i != 0) __builtin_memcpy(place_of(0), from, size);
  for (char* to = place_of(i); i + e <= columns.n; i += e, to += kNr * kWord) {
    __builtin_memcpy(to, from + i * size, kWord);
  }
  if (i < columns.n) __builtin_memcpy(place_of(i), from + i * size, size);
}

// The value at `position`, `line` a row of C: from d to d its elements are a word apart.
template <ptrdiff_t e>
inline void store_value(const Gemm& args, const HeadColumns& columns, ptrdiff_t position,
                        const float* line) {
  constexpr ptrdiff_t size = kWord / e;
  const char* from = reinterpret_cast<const char*>(line) + columns.column * size;
  char* to = static_cast<char*>(args.c) +
             value_index<e>(args.panels, columns.head, position, columns.d) * size;
  for (ptrdiff_t i = 0; i < columns.n; ++i) {
    __builtin_memcpy(to + i * kWord, from + i * size, size);
  }
}

// The values at `position`, which is even, and at the next, two rows of C: bfloat16 that share
// their words.
inline void store_value_pair(const Gemm& args, const HeadColumns& columns, ptrdiff_t position,
                             const float* lines) {
  uint16_t pair[2][2 * kNr];  // two to a word of `lines`
  __builtin_memcpy(pair, lines, sizeof(pair));
  uint16_t* to = static_cast<uint16_t*>(args.c) +
                 value_index<2>(args.panels, columns.head, position, columns.d);
  for (ptrdiff_t i = 0; i < columns.n; ++i) {
    const uint32_t next = pair[1][columns.column + i];
    const uint32_t word = pair[0][columns.column + i] | next << 16;
    __builtin_memcpy(to + 2 * i, &word, kWord);
  }
}

// Lines, rows of C kNr words apart, into the panels of keys.
template <ptrdiff_t e>
inline void store_keys(const Gemm& args, const float* lines, ptrdiff_t first_row, ptrdiff_t rows) {
  const ptrdiff_t first = args.panels.first_position + first_row;
  for (ptrdiff_t column = 0; column < args.n;) {
    const HeadColumns columns = columns_from(args, column);
    for (ptrdiff_t row = 0; row < rows; ++row) {
      store_key<e>(args, columns, first + row, lines + row * kNr);
    }
    column += columns.n;
  }
}

// The same into the panels of values.
template <ptrdiff_t e>
inline void store_values(const Gemm& args, const float* lines, ptrdiff_t first_row,
                         ptrdiff_t rows) {
  const ptrdiff_t first = args.panels.first_position + first_row;
  for (ptrdiff_t column = 0; column < args.n;) {
    const HeadColumns columns = columns_from(args, column);
    for (ptrdiff_t row = 0; row < rows;) {
      const ptrdiff_t position = first + row;
      const bool is_pair = e == 2 && position % 2 == 0 && row + 1 < rows;
      if (is_pair) {
        store_value_pair(args, columns, position, lines + row * kNr);
      } else {
        store_value<e>(args, columns, position, lines + row * kNr);
      }
      row += is_pair ? 2 : 1;
    }
    column += columns.n;
  }
}

__attribute__((noinline)) void store_panels(const Gemm& args, const float* lines,
                                            ptrdiff_t first_row, ptrdiff_t rows) {
  if (args.layout == Layout::kKeyPanels) {
    if (args.c_is_bf16) return store_keys<2>(args, lines, first_row, rows);
    return store_keys<1>(args, lines, first_row, rows);
  }
  if (args.c_is_bf16) return store_values<2>(args, lines, first_row, rows);
  return store_values<1>(args, lines, first_row, rows);
}

// c[row, 0..n) = activation(sums[row] * scales + bias) + residual[row]. Rows that go into panels
// are made in the place of their sums.
template <class Operands>
inline void finish_rows(const Gemm& shared, float* sums, ptrdiff_t first_row, ptrdiff_t rows) {
  const Gemm args = shared;  // which no store below can change: its address stays here
  const bool into_panels = args.layout != Layout::kRows;
  const ptrdiff_t size = args.c_is_bf16 ? 2 : 4;
  char* const c = into_panels ? reinterpret_cast<char*>(sums)
                              : static_cast<char*>(args.c) + first_row * args.ldc * size;
  const ptrdiff_t row_bytes = into_panels ? kNr * kWord : args.ldc * size;
  for_vectors(args.n, [&](ptrdiff_t column, ptrdiff_t lanes) {
    const F32 bias = args.bias ? load(args.bias + column) : zero();
    const auto scaling = Operands::scaling_of(args, column);
    for (ptrdiff_t row = 0; row < rows; ++row) {
      F32 value = Operands::scaled(sums + row * kNr + column, scaling);
      value = args.a_scales ? multiply_add(value, broadcast(args.a_scales[first_row + row]), bias)
                            : value + bias;
      if (args.activation == Activation::kGelu) value = Operands::activate(value);
      if (args.residual) {
        const float* residual = args.residual + (first_row + row) * args.ld_residual + column;
        value = value + load_lanes(residual, lanes, 0.0f);
      }
      char* to = c + row * row_bytes + column * size;
      if (args.c_is_bf16) {
        store_lanes_bf16(to, value, lanes);
      } else {
        store_lanes(reinterpret_cast<float*>(to), value, lanes);
      }
    }
  });
  if (into_panels) store_panels(shared, sums, first_row, rows);
}

// Whether the sums themselves are the result: then they are stored where they belong.
inline bool is_plain(const Gemm& args) {
  return !args.b_scales && !args.a_scales && !args.bias && !args.residual && !args.c_is_bf16 &&
         args.layout == Layout::kRows && args.n == kNr && args.activation == Activation::kNone;
}

// Where the sums of a block of rows stand while they grow: in a buffer, or where C wants them.
struct Sums {
  float* data;   // (rows, kNr)
  ptrdiff_t ld;  // words from row to row
};

inline Sums sums_of(const Gemm& args, bool plain, ptrdiff_t first_row, float* buffer) {
  if (!plain) return {buffer, kNr};
  return {static_cast<float*>(args.c) + first_row * args.ldc, args.ldc};
}

// What a tile of rows [first_row, first_row + rows) adds to its sums along words [begin, end) of k,
// chain by chain. The first chain of all sets them.
template <class Operands>
inline void add_words_of_k(const Gemm& args, ptrdiff_t first_row, ptrdiff_t rows, ptrdiff_t begin,
                           ptrdiff_t end, Sums sums) {
  const char* a = static_cast<const char*>(args.a) + first_row * args.lda;
  const char* b = static_cast<const char*>(args.b);
  for (ptrdiff_t step = begin; step == 0 || step < end; step += Operands::kChain) {
    Tile tile;
    tile.a = a + step * kWord;
    tile.lda = args.lda;
    tile.b = b + step * Operands::kRow;
    tile.k_words = end - step < Operands::kChain ? end - step : Operands::kChain;
    tile.accumulate = step > 0;
    tile.sums = sums.data;
    tile.ld_sums = sums.ld;
    multiply_rows<Operands>(rows, tile);
  }
}

// A panel that stays in the cache: a tile of rows after the other takes all of k.
template <class Operands>
inline void gemm_short_panel(const Gemm& args, ptrdiff_t tile_rows) {
  alignas(64) float buffer[kMr * kNr];
  const bool plain = is_plain(args);
  for (ptrdiff_t row = 0; row < args.m; row += tile_rows) {
    const ptrdiff_t rows = args.m - row < tile_rows ? args.m - row : tile_rows;
    const Sums sums = sums_of(args, plain, row, buffer);
    if (!plain) prefetch_results(args, row, rows);
    add_words_of_k<Operands>(args, row, rows, 0, args.k_words, sums);
    if (!plain) finish_rows<Operands>(args, sums.data, row, rows);
  }
}

// A longer one: all tiles of a block of rows take a chunk of it before they go on to the next.
template <class Operands>
inline void gemm_long_panel(const Gemm& args, ptrdiff_t tile_rows) {
  alignas(64) float buffer[kBlockRows * kNr];
  const bool plain = is_plain(args);
  for (ptrdiff_t block = 0; block < args.m; block += kBlockRows) {
    const ptrdiff_t block_end = args.m - block < kBlockRows ? args.m : block + kBlockRows;
    const Sums sums = sums_of(args, plain, block, buffer);
    if (!plain) prefetch_results(args, block, block_end - block);
    for (ptrdiff_t begin = 0; begin < args.k_words; begin += kChunk) {
      const ptrdiff_t end = args.k_words - begin < kChunk ? args.k_words : begin + kChunk;
      for (ptrdiff_t row = block; row < block_end; row += tile_rows) {
        const ptrdiff_t rows = block_end - row < tile_rows ? block_end - row : tile_rows;
        const Sums of_tile{sums.data + (row - block) * sums.ld, sums.ld};
        add_words_of_k<Operands>(args, row, rows, begin, end, of_tile);
      }
    }
    if (!plain) finish_rows<Operands>(args, sums.data, block, block_end - block);
  }
}

template <class Operands>
inline void gemm_panel(const Gemm& args) {
  // 7 to 10 rows make two tiles of at most 5, which fetch B ahead.
  const ptrdiff_t tile_rows = args.m > kMr && args.m < 2 * kMr - 1 ? (args.m + 1) / 2 : kMr;
  if (args.k_words <= kLongestPanel) {
    gemm_short_panel<Operands>(args, tile_rows);
  } else {
    gemm_long_panel<Operands>(args, tile_rows);
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
    panel.b = static_cast<const char*>(panel.b) + args.k_words * Operands::kRow;
    if (args.b_scales) panel.b_scales += kNr;
    if (args.b_sums) panel.b_sums += kNr;
    if (args.bias) panel.bias += kNr;
    if (args.residual) panel.residual += kNr;
    if (args.layout == Layout::kRows) {
      panel.c = static_cast<char*>(panel.c) + kNr * size;
    } else {
      panel.panels.first_column += kNr;
    }
  }
}

void gemm_f32(const Gemm& args) { gemm<F32Operands>(args); }
void gemm_bf16(const Gemm& args) { gemm<BF16Operands>(args); }
void gemm_i8(const Gemm& args) { gemm<I8Operands>(args); }
void gemm_bf16_i8(const Gemm& args) { gemm<BF16ByI8Operands>(args); }
