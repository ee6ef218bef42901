// Powers of two where no instruction takes a number apart. Included inside an instruction set's
// namespace after its vector types.

// a - floor(a), of finite numbers.
inline F32 fraction(F32 a) { return a - floor(a); }

// x * 2^floor(n) for n <= 127; 0 for n below -126.
inline F32 times_power(F32 x, F32 n) {
  const F32 lowest = broadcast(-126.0f);
  return zero_below(scale_by_power(x, floor(max(n, lowest))), n, lowest);
}
