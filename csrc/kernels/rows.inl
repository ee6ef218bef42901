// Kernels over one row: layer norm, softmax, reductions, and attention to rows in a table. Included
// inside an instruction set's namespace after math.inl and lanes.inl.
//
// Sums run lane by lane over the row and are folded once at the end: an order fixed by the length.

void layer_norm_f32(const float* x, const float* weight, const float* bias, float eps, ptrdiff_t n,
                    float* y) {
  F32 sum = zero();
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) { sum = sum + load_lanes(x + i, lanes, 0.0f); });
  const float mean = reduce_add(sum) / static_cast<float>(n);
  const F32 mean_v = broadcast(mean);
  F32 squares = zero();
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    const F32 centred = load_lanes(x + i, lanes, mean) - mean_v;
    squares = multiply_add(centred, centred, squares);
  });
  const float variance = reduce_add(squares) / static_cast<float>(n);
  const F32 scale = broadcast(1.0f / square_root(variance + eps));
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    const F32 normal = (load_lanes(x + i, lanes, 0.0f) - mean_v) * scale;
    store_lanes(y + i,
                multiply_add(normal, load_lanes(weight + i, lanes, 0.0f),
                             load_lanes(bias + i, lanes, 0.0f)),
                lanes);
  });
}

inline float largest_of(const float* x, ptrdiff_t n) {
  const float lowest = -__builtin_inff();
  F32 largest = broadcast(lowest);
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    largest = max(largest, load_lanes(x + i, lanes, lowest));
  });
  return reduce_max(largest);
}

// put(i, lanes, exp(x[i..] - max(x))) over the row; returns 1 / sum.
template <class Put>
inline __attribute__((always_inline)) float exponentials(const float* x, ptrdiff_t n, Put put) {
  const F32 largest = broadcast(largest_of(x, n));
  F32 sum = zero();
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    const F32 e = exponential(load_lanes(x + i, lanes, -__builtin_inff()) - largest);
    sum = sum + e;
    put(i, lanes, e);
  });
  return 1.0f / reduce_add(sum);
}

float softmax_f32(float* x, ptrdiff_t n) {
  return exponentials(x, n,
                      [&](ptrdiff_t i, ptrdiff_t lanes, F32 e) { store_lanes(x + i, e, lanes); });
}

float softmax_bf16(const float* x, ptrdiff_t n, void* y) {
  auto* out = static_cast<uint16_t*>(y);
  return exponentials(
      x, n, [&](ptrdiff_t i, ptrdiff_t lanes, F32 e) { store_lanes_bf16(out + i, e, lanes); });
}

void scale_f32(float* x, float scale, ptrdiff_t n) {
  const F32 factor = broadcast(scale);
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    store_lanes(x + i, load_lanes(x + i, lanes, 0.0f) * factor, lanes);
  });
}

MaxSum max_sum_f32(const float* x, ptrdiff_t n) {
  const float largest = largest_of(x, n);
  if (!(largest > -__builtin_inff())) return {largest, 0.0f};
  const F32 largest_v = broadcast(largest);
  F32 sum = zero();
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    sum = sum + exponential(load_lanes(x + i, lanes, -__builtin_inff()) - largest_v);
  });
  return {largest, reduce_add(sum)};
}

ptrdiff_t argmax_f32(const float* x, ptrdiff_t n) {
  const float largest = largest_of(x, n);
  for (ptrdiff_t i = 0; i < n; ++i) {
    if (x[i] == largest) return i;
  }
  return 0;
}

void dots_f32(const float* q, const float* const* keys, ptrdiff_t offset, ptrdiff_t d,
              ptrdiff_t n_keys, float* out) {
  for (ptrdiff_t key = 0; key < n_keys; ++key) {
    const float* row = keys[key] + offset;
    F32 sum = zero();
    for_vectors(d, [&](ptrdiff_t i, ptrdiff_t lanes) {
      sum = multiply_add(load_lanes(q + i, lanes, 0.0f), load_lanes(row + i, lanes, 0.0f), sum);
    });
    out[key] = reduce_add(sum);
  }
}

void weighted_sum_f32(const float* weights, const float* const* values, ptrdiff_t offset,
                      ptrdiff_t d, ptrdiff_t n_values, float* out) {
  for_vectors(d, [&](ptrdiff_t i, ptrdiff_t lanes) {
    F32 sum = zero();
    for (ptrdiff_t value = 0; value < n_values; ++value) {
      sum = multiply_add(broadcast(weights[value]),
                         load_lanes(values[value] + offset + i, lanes, 0.0f), sum);
    }
    store_lanes(out + i, sum, lanes);
  });
}
