// Figures about one call or one model: times, counts and bytes. Plain data, no global state.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace sottovoce {

// Latencies on a logarithmic grid: exact count, sum and max; quantiles to 5 % of the value.
class Latency {
 public:
  static constexpr int kBuckets = 256;  // 1 us * 1.1^i: up to 10 hours
  using Buckets = std::array<std::uint64_t, kBuckets>;

  Latency() = default;
  // What another one kept.
  Latency(const Buckets& buckets, double sum_ms, double max_ms);

  void add(double ms);
  void merge(const Latency& other);
  std::uint64_t count() const { return count_; }
  double sum_ms() const { return sum_ms_; }
  double max_ms() const { return max_ms_; }
  double quantile_ms(double q) const;  // 0 <= q <= 1; 0 when nothing was added
  const Buckets& buckets() const { return buckets_; }

 private:
  Buckets buckets_{};
  std::uint64_t count_ = 0;
  double sum_ms_ = 0.0;
  double max_ms_ = 0.0;
};

struct Metrics {
  std::uint64_t encoder_calls = 0;   // windows encoded
  double encoder_forward_ms = 0.0;   // sum over those windows
  double cross_kv_ms = 0.0;          // cross-attention keys and values, once a window
  std::uint64_t decode_calls = 0;    // windows decoded (a temperature retry counts again)
  double decoder_prefill_ms = 0.0;   // passes that fed prompts, with the tokens that went along
  Latency decoder_token_ms;          // one other step of the decode loop, all rows
  std::uint64_t tokens = 0;          // tokens chosen, all rows
  std::uint64_t alignments = 0;      // texts aligned, each by a pass of its own
  double alignment_ms = 0.0;         // sum over those texts
  std::uint64_t kv_cache_bytes = 0;  // largest self-attention cache in use
  std::uint64_t cross_kv_bytes = 0;  // largest set of cross-attention keys and values of any call
  std::uint64_t attention_scratch_bytes = 0;  // largest scratch of any attention call

  void merge(const Metrics& other);
};

}  // namespace sottovoce
