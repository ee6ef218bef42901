// What the machine can do at most: multiply-adds in registers, by type, and reading memory. Needs
// nothing of the core, so that the probe builds in a second; compile with -march=native.
//
// A peak that this CPU has no instruction for is 0.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace peaks {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Body>
double best_of(int n, Body body) {
  double best = 1e9;
  for (int i = 0; i < n; ++i) {
    const double start = seconds();
    body();
    best = std::min(best, seconds() - start);
  }
  return best;
}

// Calls body(thread) on `n_threads` threads at once and gives the seconds from the first start to
// the last end.
template <class Body>
double together(int n_threads, Body body) {
  std::vector<double> starts(n_threads), ends(n_threads);
  const auto timed = [&](int thread) {
    starts[thread] = seconds();
    body(thread);
    ends[thread] = seconds();
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < n_threads; ++thread) others.emplace_back(timed, thread);
  timed(0);
  for (std::thread& other : others) other.join();
  return *std::max_element(ends.begin(), ends.end()) -
         *std::min_element(starts.begin(), starts.end());
}

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
typedef float Floats __attribute__((vector_size(kVectorBytes)));

// One instruction of each type: its operations a vector, and itself.
struct Float32 {
  static constexpr double kOps = 2.0 * kVectorBytes / 4;
  static void step(Floats& sum, const Floats& a, const Floats& b) {
#if defined(__FMA__)
    asm volatile("vfmadd231ps %1, %2, %0" : "+v"(sum) : "v"(a), "v"(b));
#else
    sum = sum + a * b;
    asm volatile("" : "+x"(sum));
#endif
  }
};

struct BFloat16 {
#if defined(__AVX512BF16__)
  static constexpr double kOps = 2.0 * kVectorBytes / 2;
  static void step(Floats& sum, const Floats& a, const Floats& b) {
    asm volatile("vdpbf16ps %1, %2, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
#else
  static constexpr double kOps = 0.0;
  static void step(Floats&, const Floats&, const Floats&) {}
#endif
};

struct Int8 {
#if defined(__AVX512VNNI__)
  static constexpr double kOps = 2.0 * kVectorBytes;
  static void step(Floats& sum, const Floats& a, const Floats& b) {
    asm volatile("vpdpbusd %1, %2, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
#elif defined(__AVXVNNI__)
  static constexpr double kOps = 2.0 * kVectorBytes;
  static void step(Floats& sum, const Floats& a, const Floats& b) {
    asm volatile("{vex} vpdpbusd %1, %2, %0" : "+x"(sum) : "x"(a), "x"(b));
  }
#else
  static constexpr double kOps = 0.0;
  static void step(Floats&, const Floats&, const Floats&) {}
#endif
};

// Independent chains, as many as a register tile has: more than two units of six cycles' latency
// need.
constexpr int kChains = kVectorBytes == 64 ? 24 : 12;

template <class Type>
void multiply_adds(long n) {
  Floats sums[kChains] = {};
  const Floats a{}, b{};  // zeros: as fast as any other number, whatever its type
  for (long i = 0; i < n; ++i) {
#pragma GCC unroll 24
    for (int chain = 0; chain < kChains; ++chain) Type::step(sums[chain], a, b);
  }
}

// 1e9 operations a second (a multiply-add is two), best of a few tries of about 2 ms.
template <class Type>
double compute(int n_threads, int n_tries = 4) {
  if (Type::kOps == 0.0) return 0.0;
  constexpr long kSteps = 12000000 / kChains;
  double best = 1e9;
  for (int i = 0; i < n_tries; ++i) {
    best = std::min(best, together(n_threads, [](int) { multiply_adds<Type>(kSteps); }));
  }
  return Type::kOps * kChains * kSteps * n_threads / best / 1e9;
}

// Reads of memory that `Reader` owns, shared among threads in contiguous parts.
class Reader {
 public:
  explicit Reader(std::size_t n_bytes)
      : n_vectors_(n_bytes / kVectorBytes),
        data_(static_cast<Floats*>(std::aligned_alloc(1 << 21, n_bytes))) {
    std::fill_n(data_.get(), n_vectors_, Floats{});  // n_bytes: a multiple of 2 MB
  }

  // 1e9 bytes a second of the first `n_bytes`, each thread on its own part, `n_times` over.
  double bandwidth(std::size_t n_bytes, int n_threads, int n_times, int n_tries = 3) const {
    const std::size_t share = std::min(n_bytes / kVectorBytes, n_vectors_) / n_threads / 8 * 8;
    double best = 1e9;
    for (int i = 0; i < n_tries; ++i) {
      best = std::min(best, together(n_threads, [&](int thread) {
                        for (int time = 0; time < n_times; ++time) {
                          read(data_.get() + share * thread, share);
                        }
                      }));
    }
    const double n_read = static_cast<double>(share) * kVectorBytes * n_threads * n_times;
    return n_read / best / 1e9;
  }

 private:
  static void read(const Floats* data, std::size_t n) {
    Floats sums[8] = {};
    for (std::size_t i = 0; i < n; i += 8) {
      for (int j = 0; j < 8; ++j) sums[j] += data[i + j];
    }
    for (const Floats& sum : sums) asm volatile("" : : "m"(sum));
  }

  struct Free {
    void operator()(Floats* data) const { std::free(data); }
  };
  std::size_t n_vectors_;
  std::unique_ptr<Floats[], Free> data_;
};

}  // namespace peaks
