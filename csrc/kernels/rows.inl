// Kernels over one row: layer norm, softmax, reductions, attention to rows in a table, LSTM cells.
// Included inside an instruction set's namespace after math.inl and lanes.inl.
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

// Four chains: one would wait for its own last comparison.
inline float largest_of(const float* x, ptrdiff_t n) {
  const float lowest = -__builtin_inff();
  F32 largest = broadcast(lowest);
  F32 others[3] = {largest, largest, largest};
  ptrdiff_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    largest = max(largest, load(x + i));
    for (int chain = 0; chain < 3; ++chain) {
      others[chain] = max(others[chain], load(x + i + (chain + 1) * kLanes));
    }
  }
  for_vectors(n - i, [&](ptrdiff_t j, ptrdiff_t lanes) {
    largest = max(largest, load_lanes(x + i + j, lanes, lowest));
  });
  return reduce_max(max(max(largest, others[0]), max(others[1], others[2])));
}

float softmax_f32(float* x, ptrdiff_t n) {
  const F32 log2_of_e = broadcast(1.44269504f);
  const F32 largest = broadcast(largest_of(x, n));
  F32 sum = zero();
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    const F32 below = load_lanes(x + i, lanes, -__builtin_inff()) - largest;
    const F32 e = power_of_two(below * log2_of_e);
    sum = sum + e;
    store_lanes(x + i, e, lanes);
  });
  return 1.0f / reduce_add(sum);
}

float softmax_bf16(const float* x, const float* scales, ptrdiff_t n, void* y) {
  const F32 log2_of_e = broadcast(1.44269504f);
  const F32 largest = broadcast(-largest_of(x, n)) * log2_of_e;
  auto* out = static_cast<uint16_t*>(y);
  F32 sum = zero();
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    const F32 logit = load_lanes(x + i, lanes, -__builtin_inff());
    F32 e = rough_power_of_two(multiply_add(logit, log2_of_e, largest));
    sum = sum + e;
    if (scales) e = e * load_lanes(scales + i, lanes, 0.0f);
    store_lanes_bf16(out + i, e, lanes);
  });
  return 1.0f / reduce_add(sum);
}

template <int Group>
inline ptrdiff_t transform_groups(const float* x, ptrdiff_t stride, float* y) {
  for_vectors(stride, [&](ptrdiff_t i, ptrdiff_t lanes) {
    F32 v[Group];
#pragma GCC unroll 16
    for (int j = 0; j < Group; ++j) v[j] = load_lanes(x + j * stride + i, lanes, 0.0f);
#pragma GCC unroll 4
    for (int half = 1; half < Group; half *= 2) {
#pragma GCC unroll 16
      for (int j = 0; j < Group; ++j) {
        if (j & half) continue;
        const F32 sum = v[j] + v[j + half];
        v[j + half] = v[j] - v[j + half];
        v[j] = sum;
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < Group; ++j) store_lanes(y + j * stride + i, v[j], lanes);
  });
  return Group;
}

ptrdiff_t hadamard_f32(const float* x, ptrdiff_t n, float* y) {
  if (n % 16 == 0) return transform_groups<16>(x, n / 16, y);
  if (n % 8 == 0) return transform_groups<8>(x, n / 8, y);
  if (n % 4 == 0) return transform_groups<4>(x, n / 4, y);
  if (n % 2 == 0) return transform_groups<2>(x, n / 2, y);
  return transform_groups<1>(x, n, y);
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
  constexpr ptrdiff_t kBlock = 1024;  // looked through element by element
  const float largest = largest_of(x, n);
  for (ptrdiff_t begin = 0; begin < n; begin += kBlock) {
    const ptrdiff_t end = n - begin < kBlock ? n : begin + kBlock;
    if (largest_of(x + begin, end - begin) < largest) continue;
    for (ptrdiff_t i = begin; i < end; ++i) {
      if (x[i] == largest) return i;
    }
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

// Four vectors of a row at a time: four sums that do not wait for one another.
void weighted_sum_f32(const float* weights, const float* const* values, ptrdiff_t offset,
                      ptrdiff_t d, ptrdiff_t n_values, float* out) {
  constexpr ptrdiff_t kBlock = 4 * kLanes;
  ptrdiff_t i = 0;
  for (; i + kBlock <= d; i += kBlock) {
    F32 sums[4] = {zero(), zero(), zero(), zero()};
    for (ptrdiff_t value = 0; value < n_values; ++value) {
      const F32 weight = broadcast(weights[value]);
      const float* row = values[value] + offset + i;
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) sums[v] = multiply_add(weight, load(row + v * kLanes), sums[v]);
    }
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) store(out + i + v * kLanes, sums[v]);
  }
  for_vectors(d - i, [&](ptrdiff_t j, ptrdiff_t lanes) {
    F32 sum = zero();
    for (ptrdiff_t value = 0; value < n_values; ++value) {
      sum = multiply_add(broadcast(weights[value]),
                         load_lanes(values[value] + offset + i + j, lanes, 0.0f), sum);
    }
    store_lanes(out + i + j, sum, lanes);
  });
}

void lstm_cell_f32(const float* gates, ptrdiff_t n, float* c, float* h) {
  for_vectors(n, [&](ptrdiff_t i, ptrdiff_t lanes) {
    const auto gate = [&](ptrdiff_t index) {
      return load_lanes(gates + index * n + i, lanes, 0.0f);
    };
    const F32 kept = sigmoid(gate(1)) * load_lanes(c + i, lanes, 0.0f);
    const F32 cell = multiply_add(sigmoid(gate(0)), hyperbolic_tangent(gate(2)), kept);
    store_lanes(c + i, cell, lanes);
    store_lanes(h + i, sigmoid(gate(3)) * hyperbolic_tangent(cell), lanes);
  });
}
