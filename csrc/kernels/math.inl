// exp, the erf form of GELU and the activations of an LSTM over one vector. Included inside an
// instruction set's namespace.

// e^x for x in [-87.33, 88]; below, less than the smallest normal float or 0. x = n ln 2 + r,
// |r| <= ln(2) / 2; e^r = 1 + r + r^2 q(r) with q of degree 4 fitted to 7.5e-9; ln 2 in two parts,
// so that n ln 2 is exact. Relative error below 1.5 ulp, checked against float64.
inline F32 exponential(F32 x) {
  const F32 clamped = max(x, broadcast(-110.0f));
  const F32 n = round(clamped * broadcast(1.44269504f));
  F32 r = multiply_add(n, broadcast(-0.693359375f), clamped);
  r = multiply_add(n, broadcast(2.12194440e-4f), r);
  F32 q = broadcast(1.394121441990137e-3f);
  q = multiply_add(q, r, broadcast(8.36323481053114e-3f));
  q = multiply_add(q, r, broadcast(4.166637361049652e-2f));
  q = multiply_add(q, r, broadcast(1.6666576266288757e-1f));
  q = multiply_add(q, r, broadcast(0.5f));
  return times_power(multiply_add(q, r * r, r) + broadcast(1.0f), n);
}

// 2^t for t <= 0, -inf included; below 2^-126 as e^x. 2^t = 2^floor(t) (1 + r q(r)) with r the
// fraction of t and q of degree 4, fitted to 8.3e-8.
inline F32 power_of_two(F32 t) {
  const F32 r = fraction(t);
  F32 q = broadcast(1.867130213405302e-3f);
  q = multiply_add(q, r, broadcast(9.017030018613967e-3f));
  q = multiply_add(q, r, broadcast(5.579991332079082e-2f));
  q = multiply_add(q, r, broadcast(2.401644500956727e-1f));
  q = multiply_add(q, r, broadcast(6.931513118094657e-1f));
  return times_power(multiply_add(q, r, broadcast(1.0f)), t);
}

// x (1 + erf(x / sqrt 2)) / 2, written as max(x, 0) - |x| erfc(|x| / sqrt 2) / 2, which loses
// nothing to cancellation. erfc(u / sqrt 2) = 2^(-u R(u)), R of degree 7 fitted on [0, 5.5] to
// 8e-9 |x|; beyond 5.5 erfc stays at 3.8e-8, a term of 1.9e-8 |x|. Absolute error below 1.6 ulp of
// x, checked against float64.
inline F32 gelu(F32 x) {
  const F32 magnitude = abs(x);
  const F32 u = min(magnitude, broadcast(5.5f));
  F32 r = broadcast(-2.834912282218384e-6f);
  r = multiply_add(r, u, broadcast(3.9377684686797506e-5f));
  r = multiply_add(r, u, broadcast(-1.8618020974405455e-4f));
  r = multiply_add(r, u, broadcast(-1.369364437102239e-4f));
  r = multiply_add(r, u, broadcast(7.063420219003581e-3f));
  r = multiply_add(r, u, broadcast(-5.24961784051444e-2f));
  r = multiply_add(r, u, broadcast(-4.5920819664505247e-1f));
  r = multiply_add(r, u, broadcast(-1.151105205304389f));
  const F32 complement = power_of_two(r * u);
  return multiply_add(magnitude * broadcast(-0.5f), complement, max(x, zero()));
}

// 1 / (1 + e^-x), relative error below 5 ulp for x >= -30; below, between 0 and 1e-13.
inline F32 sigmoid(F32 x) {
  const F32 bounded = max(min(x, broadcast(30.0f)), broadcast(-30.0f));
  return broadcast(1.0f) / (broadcast(1.0f) + exponential(zero() - bounded));
}

// 2 sigmoid(2 x) - 1, absolute error below 5 ulp of 1.
inline F32 hyperbolic_tangent(F32 x) {
  return multiply_add(broadcast(2.0f), sigmoid(x + x), broadcast(-1.0f));
}

// Powers and GELU where the result is rounded to bfloat16 or int8 anyway.

// q of degree 2, fitted to 8.6e-5: a twentieth of what rounding to bfloat16 adds.
inline F32 rough_power_of_two(F32 t) {
  const F32 r = fraction(t);
  F32 q = broadcast(7.70670511829963e-2f);
  q = multiply_add(q, r, broadcast(2.2764498119089893e-1f));
  q = multiply_add(q, r, broadcast(6.951167886697063e-1f));
  return times_power(multiply_add(q, r, broadcast(1.0f)), t);
}

// x / 2 (1 + u Q(u^2)), u = x clamped to +-4.25, Q of degree 8 fitted so that the absolute error
// stays below 2.6e-5 up to there. Beyond, 1 - 4.25 Q is 1.2e-5 instead of 0: an error of 6.1e-6
// |x|.
inline F32 rough_gelu(F32 x) {
  const F32 u = max(min(x, broadcast(4.25f)), broadcast(-4.25f));
  const F32 square = u * u;
  F32 q = broadcast(9.094113656571423e-11f);
  q = multiply_add(q, square, broadcast(-9.030583392188873e-9f));
  q = multiply_add(q, square, broadcast(3.972310764766007e-7f));
  q = multiply_add(q, square, broadcast(-1.0295016181771643e-5f));
  q = multiply_add(q, square, broadcast(1.7697818111628294e-4f));
  q = multiply_add(q, square, broadcast(-2.158155431970954e-3f));
  q = multiply_add(q, square, broadcast(1.9437555223703384e-2f));
  q = multiply_add(q, square, broadcast(-1.3238056004047394e-1f));
  q = multiply_add(q, square, broadcast(7.976384162902832e-1f));
  const F32 half = x * broadcast(0.5f);
  return multiply_add(half, u * q, half);
}
