// Whole vectors and the rest of a row. Included inside an instruction set's namespace after its
// vector types.

// Calls body(offset, lanes) for each vector of a row, the last one possibly partial.
template <class Body>
inline __attribute__((always_inline)) void for_vectors(ptrdiff_t n, Body body) {
  ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, n - i);
}

inline F32 load_lanes(const float* p, ptrdiff_t lanes, float fill) {
  return lanes == kLanes ? load(p) : load_partial(p, lanes, fill);
}
inline void store_lanes(float* p, F32 v, ptrdiff_t lanes) {
  if (lanes == kLanes) {
    store(p, v);
  } else {
    store_partial(p, v, lanes);
  }
}
inline void store_lanes_bf16(void* p, F32 v, ptrdiff_t lanes) {
  if (lanes == kLanes) return store_bf16(p, v);
  uint16_t all[kLanes];
  store_bf16(all, v);
  __builtin_memcpy(p, all, static_cast<size_t>(lanes) * sizeof(uint16_t));
}
