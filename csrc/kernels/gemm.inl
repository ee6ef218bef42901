// float32 GEMM: rows of A against one packed panel of B. Included inside an instruction set's
// namespace after its vector type.
//
// Each output element is a sum of chains of kChain fused multiply-adds, taken in the order of k
// whatever the tile it falls into, so a row's result does not depend on the rows beside it. Short
// chains keep rounding errors small: single chains made the whole encoder err twice as much and
// more.

constexpr int kMr = 6;
constexpr ptrdiff_t kNr = kGemmVectors * kLanes;
constexpr ptrdiff_t kChain = 256;
// A panel of kNr * kLongestPanel floats stays in the second-level cache (512 KB at 64 columns)
// while tiles of rows pass over it one by one; a longer one is walked in chunks of kChain, each by
// a block of kBlockRows rows whose sums wait in the first-level cache.
constexpr ptrdiff_t kLongestPanel = 2048;
constexpr ptrdiff_t kBlockRows = 10 * kMr;

// sums[Rows, kNr] (+)= A[Rows, k] B[k, kNr]: kMr x kGemmVectors accumulators in registers.
template <int Rows>
inline __attribute__((always_inline)) void tile(const float* a, ptrdiff_t lda, const float* b,
                                                ptrdiff_t ldb, ptrdiff_t k, bool accumulate,
                                                float* sums) {
  F32 acc[Rows][kGemmVectors];
#pragma GCC unroll 8
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) {
      acc[row][v] = zero();
    }
  }
  for (ptrdiff_t step = 0; step < k; ++step) {
    F32 b_row[kGemmVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) b_row[v] = load(b + v * kLanes);
#pragma GCC unroll 8
    for (int row = 0; row < Rows; ++row) {
      const F32 a_element = broadcast(a[row * lda + step]);
#pragma GCC unroll 8
      for (int v = 0; v < kGemmVectors; ++v) {
        acc[row][v] = multiply_add(a_element, b_row[v], acc[row][v]);
      }
    }
    b += ldb;
  }
#pragma GCC unroll 8
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 8
    for (int v = 0; v < kGemmVectors; ++v) {
      float* sum = sums + row * kNr + v * kLanes;
      store(sum, accumulate ? load(sum) + acc[row][v] : acc[row][v]);
    }
  }
}

__attribute__((noinline)) void tile_of(ptrdiff_t rows, const float* a, ptrdiff_t lda,
                                       const float* b, ptrdiff_t ldb, ptrdiff_t k, bool accumulate,
                                       float* sums) {
  switch (rows) {
    case 1:
      return tile<1>(a, lda, b, ldb, k, accumulate, sums);
    case 2:
      return tile<2>(a, lda, b, ldb, k, accumulate, sums);
    case 3:
      return tile<3>(a, lda, b, ldb, k, accumulate, sums);
    case 4:
      return tile<4>(a, lda, b, ldb, k, accumulate, sums);
    case 5:
      return tile<5>(a, lda, b, ldb, k, accumulate, sums);
    default:
      return tile<kMr>(a, lda, b, ldb, k, accumulate, sums);
  }
}

// c[row, 0..n) = activation(sums[row] + bias) + residual[row].
inline void finish_rows(const GemmF32& args, const float* sums, ptrdiff_t first_row,
                        ptrdiff_t rows) {
  for (ptrdiff_t row = 0; row < rows; ++row) {
    const float* sum = sums + row * kNr;
    float* c = args.c + (first_row + row) * args.ldc;
    const float* residual =
        args.residual ? args.residual + (first_row + row) * args.ld_residual : nullptr;
    for (ptrdiff_t column = 0; column < args.n; column += kLanes) {
      const ptrdiff_t lanes = args.n - column < kLanes ? args.n - column : kLanes;
      F32 value = load(sum + column);
      if (args.bias) value = value + load(args.bias + column);
      if (args.activation == Activation::kGelu) value = gelu(value);
      if (lanes == kLanes) {
        if (residual) value = value + load(residual + column);
        store(c + column, value);
      } else {
        if (residual) value = value + load_partial(residual + column, lanes, 0.0f);
        store_partial(c + column, value, lanes);
      }
    }
  }
}

void gemm_f32(const GemmF32& args) {
  alignas(64) float sums[kBlockRows * kNr];
  const ptrdiff_t block_rows = args.k <= kLongestPanel ? kMr : kBlockRows;
  for (ptrdiff_t block = 0; block < args.m; block += block_rows) {
    const ptrdiff_t rows = args.m - block < block_rows ? args.m - block : block_rows;
    for (ptrdiff_t step = 0; step == 0 || step < args.k; step += kChain) {
      const ptrdiff_t k = args.k - step < kChain ? args.k - step : kChain;
      for (ptrdiff_t row = 0; row < rows; row += kMr) {
        tile_of(rows - row < kMr ? rows - row : kMr, args.a + (block + row) * args.lda + step,
                args.lda, args.b + step * args.ldb, args.ldb, k, step > 0, sums + row * kNr);
      }
    }
    finish_rows(args, sums, block, rows);
  }
}
