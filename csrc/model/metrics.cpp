// Latency histograms and totals.
#include <sottovoce/metrics.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sottovoce {

namespace {

constexpr double kFirstMs = 1e-3;
constexpr double kGrowth = 1.1;

double bucket_ms(int bucket) { return kFirstMs * std::pow(kGrowth, bucket + 0.5); }

}  // namespace

Latency::Latency(const Buckets& buckets, double sum_ms, double max_ms)
    : buckets_(buckets),
      count_(std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0})),
      sum_ms_(sum_ms),
      max_ms_(max_ms) {}

void Latency::add(double ms) {
  const double position = std::log(std::max(ms, kFirstMs) / kFirstMs) / std::log(kGrowth);
  const int bucket = std::min(kBuckets - 1, static_cast<int>(position));
  ++buckets_[static_cast<std::size_t>(bucket)];
  ++count_;
  sum_ms_ += ms;
  max_ms_ = std::max(max_ms_, ms);
}

void Latency::merge(const Latency& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ms_ += other.sum_ms_;
  max_ms_ = std::max(max_ms_, other.max_ms_);
}

double Latency::quantile_ms(double q) const {
  if (count_ == 0) return 0.0;
  const double rank = std::min(std::max(q, 0.0), 1.0) * static_cast<double>(count_);
  std::uint64_t seen = 0;
  for (int bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[static_cast<std::size_t>(bucket)];
    if (seen > 0 && static_cast<double>(seen) >= rank) return std::min(bucket_ms(bucket), max_ms_);
  }
  return max_ms_;
}

void Metrics::merge(const Metrics& other) {
  encoder_calls += other.encoder_calls;
  encoder_forward_ms += other.encoder_forward_ms;
  cross_kv_ms += other.cross_kv_ms;
  decode_calls += other.decode_calls;
  decoder_prefill_ms += other.decoder_prefill_ms;
  decoder_token_ms.merge(other.decoder_token_ms);
  tokens += other.tokens;
  alignments += other.alignments;
  alignment_ms += other.alignment_ms;
  kv_cache_bytes = std::max(kv_cache_bytes, other.kv_cache_bytes);
  cross_kv_bytes = std::max(cross_kv_bytes, other.cross_kv_bytes);
  attention_scratch_bytes = std::max(attention_scratch_bytes, other.attention_scratch_bytes);
}

}  // namespace sottovoce
