// Power spectrum of 8 windowed frames of 400 real samples, frames side by side in the lanes.
//
// Neighbouring samples make one complex number, z[n] = x[2n] + i x[2n + 1]. Its 200-point transform
// Z holds the transforms of the even and of the odd samples, which one pass takes apart:
//
//   E[k] = (Z[k] + conj Z[200 - k]) / 2       O[k] = (Z[k] - conj Z[200 - k]) / 2i
//   X[k] = E[k] + W400^k O[k]                 X[200 - k] = conj(E[k] - W400^k O[k])
//
// 200 = 8 * 25 with no common factor (Good and Thomas): n = 25 n1 + 8 n2 and k = 25 k1 + 176 k2,
// mod 200, give W200^(n k) = W8^(n1 k1) W25^(n2 k2), so no twiddles stand between the 8 and the 25,
// and Z[k] lies at k1 = k mod 8, k2 = k mod 25. The 25 is 5 * 5 with twiddles W25^(b c).
//
// The body is written over the widest vector of the translation unit, every sum in one written
// order and without fused multiply-adds: each instruction set gives the same bits.

namespace power_spectrum {

constexpr ptrdiff_t kFrames = 8;    // lanes of one row of frames or power
constexpr ptrdiff_t kPoints = 400;  // samples of a frame
constexpr ptrdiff_t kHalf = kPoints / 2;

// The widest vector register of this translation unit: 2, 4 or 8 frames.
typedef double Lanes __attribute__((vector_size(__BIGGEST_ALIGNMENT__)));
constexpr ptrdiff_t kLanes = sizeof(Lanes) / sizeof(double);
static_assert(kFrames % kLanes == 0, "a row of 8 frames must be whole vectors");

struct Complex {
  Lanes re;
  Lanes im;
};

// cos(2 pi k / 400). The Taylor series is summed in long double for angles up to pi / 4, where 10
// terms are below 1e-20, and rounded once.
struct CosineTable {
  double value[kPoints];
};

constexpr long double taylor(long double first, int first_factor, long double square) {
  long double term = first;
  long double sum = first;
  for (int factor = first_factor; factor < first_factor + 20; factor += 2) {
    term *= -square / (factor * (factor + 1));
    sum += term;
  }
  return sum;
}

constexpr CosineTable make_cosine_table() {
  constexpr long double kStep = 3.14159265358979323846264338327950288L / kHalf;  // radians
  CosineTable table = {};
  for (int k = 0; k <= 50; ++k) {
    const long double angle = kStep * k;
    const double cosine = static_cast<double>(taylor(1.0L, 1, angle * angle));
    const double sine = static_cast<double>(taylor(angle, 2, angle * angle));
    table.value[k] = table.value[(kPoints - k) % kPoints] = cosine;
    table.value[200 - k] = table.value[200 + k] = -cosine;
    table.value[100 - k] = table.value[300 + k] = sine;
    table.value[100 + k] = table.value[300 - k] = -sine;
  }
  table.value[100] = table.value[300] = 0.0;  // not -0
  return table;
}

constexpr CosineTable kCosines = make_cosine_table();
constexpr double cosine(ptrdiff_t k) { return kCosines.value[k % kPoints]; }  // of 2 pi k / 400
constexpr double sine(ptrdiff_t k) { return kCosines.value[(k + 300) % kPoints]; }

// Where the two passes leave Z[k], k = 0..199: row k1 of 25, column 5 c + d for k2 = c + 5 d.
struct Positions {
  uint8_t of[kHalf];
};

constexpr Positions make_positions() {
  Positions positions = {};
  for (int k = 0; k < kHalf; ++k) {
    const int k2 = k % 25;
    positions.of[k] = static_cast<uint8_t>(25 * (k % 8) + 5 * (k2 % 5) + k2 / 5);
  }
  return positions;
}

constexpr Positions kPositions = make_positions();

static inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
static inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
static inline Complex operator*(double factor, Complex a) { return {factor * a.re, factor * a.im}; }
static inline Complex minus_i_times(Complex a) { return {a.im, -a.re}; }
// a * W400^k = a * exp(-2 pi i k / 400)
static inline Complex twiddle(Complex a, ptrdiff_t k) {
  return {cosine(k) * a.re + sine(k) * a.im, cosine(k) * a.im - sine(k) * a.re};
}

static inline Lanes load(const double* p) {
  Lanes lanes;
  __builtin_memcpy(&lanes, p, sizeof(lanes));
  return lanes;
}
static inline void store(double* p, Lanes lanes) { __builtin_memcpy(p, &lanes, sizeof(lanes)); }

// x <- DFT of 4 points.
static inline void dft4(Complex& x0, Complex& x1, Complex& x2, Complex& x3) {
  const Complex even_sum = x0 + x2;
  const Complex even_difference = x0 - x2;
  const Complex odd_sum = x1 + x3;
  const Complex odd_difference = minus_i_times(x1 - x3);
  x0 = even_sum + odd_sum;
  x1 = even_difference + odd_difference;
  x2 = even_sum - odd_sum;
  x3 = even_difference - odd_difference;
}

// x <- DFT of 5 points: the symmetric and the antisymmetric halves apart.
static inline void dft5(Complex* x) {
  const Complex sum14 = x[1] + x[4];
  const Complex sum23 = x[2] + x[3];
  const Complex difference14 = x[1] - x[4];
  const Complex difference23 = x[2] - x[3];
  const Complex even1 = x[0] + (cosine(80) * sum14 + cosine(160) * sum23);
  const Complex even2 = x[0] + (cosine(160) * sum14 + cosine(80) * sum23);
  const Complex odd1 = minus_i_times(sine(80) * difference14 + sine(160) * difference23);
  const Complex odd2 = minus_i_times(sine(160) * difference14 - sine(80) * difference23);
  x[0] = x[0] + (sum14 + sum23);
  x[1] = even1 + odd1;
  x[2] = even2 + odd2;
  x[3] = even2 - odd2;
  x[4] = even1 - odd1;
}

// The 25 transforms of 8 points: frames (400, 8) -> z[25 k1 + n2].
static inline void pass8(const double* frames, Complex* z) {
  for (ptrdiff_t n2 = 0; n2 < 25; ++n2) {
    Complex x[8];
    for (ptrdiff_t n1 = 0; n1 < 8; ++n1) {
      const double* pair = frames + (25 * n1 + 8 * n2) % kHalf * 2 * kFrames;
      x[n1] = {load(pair), load(pair + kFrames)};
    }
    dft4(x[0], x[2], x[4], x[6]);
    dft4(x[1], x[3], x[5], x[7]);
    x[3] = cosine(50) * (x[3] + minus_i_times(x[3]));  // W8 = (1 - i) sqrt(1/2)
    x[5] = minus_i_times(x[5]);
    x[7] = cosine(50) * (minus_i_times(x[7]) - x[7]);
    for (ptrdiff_t k1 = 0; k1 < 4; ++k1) {
      z[25 * k1 + n2] = x[2 * k1] + x[2 * k1 + 1];
      z[25 * (k1 + 4) + n2] = x[2 * k1] - x[2 * k1 + 1];
    }
  }
}

// One transform of 25 points in place: z[5 a + b] -> z[5 c + d], n2 = 5 a + b and k2 = c + 5 d.
static inline void dft25(Complex* z) {
  for (ptrdiff_t b = 0; b < 5; ++b) {
    Complex x[5] = {z[b], z[5 + b], z[10 + b], z[15 + b], z[20 + b]};
    dft5(x);
    z[b] = x[0];
    for (ptrdiff_t c = 1; c < 5; ++c) z[5 * c + b] = twiddle(x[c], 16 * b * c);
  }
  for (ptrdiff_t c = 0; c < 5; ++c) dft5(z + 5 * c);
}

// Takes the even and the odd samples apart: z -> power (201, 8).
static inline void unpack(const Complex* z, double* power) {
  for (ptrdiff_t k = 0; k <= kHalf / 2; ++k) {
    const Complex a = z[kPositions.of[k]];
    const Complex b = z[kPositions.of[(kHalf - k) % kHalf]];
    const Complex even = {a.re + b.re, a.im - b.im};             // 2 E
    const Complex odd = twiddle({a.im + b.im, b.re - a.re}, k);  // 2 W400^k O
    const Complex low = even + odd;
    const Complex high = even - odd;
    store(power + k * kFrames, 0.25 * (low.re * low.re + low.im * low.im));
    store(power + (kHalf - k) * kFrames, 0.25 * (high.re * high.re + high.im * high.im));
  }
}

static inline void transform(const double* frames, double* power) {
  Complex z[kHalf];
  for (ptrdiff_t lane = 0; lane < kFrames; lane += kLanes) {
    pass8(frames + lane, z);
    for (ptrdiff_t k1 = 0; k1 < 8; ++k1) dft25(z + 25 * k1);
    unpack(z, power + lane);
  }
}

}  // namespace power_spectrum

static void power_spectrum_f64(const double* frames, double* power) {
  power_spectrum::transform(frames, power);
}
