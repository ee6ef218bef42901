// Draws from a row of logits. The generator is a function of (seed, row, step) and keeps nothing,
// so what is drawn does not depend on threads, on batches or on what was drawn before.
#pragma once

#include <cstdint>
#include <vector>

#include "ops.h"

namespace sottovoce {

// Uniform on [0, 1), 53 bits: Philox4x32-10 (Salmon et al., SC 2011) of key `seed` at the counter
// (row, step, 0, 0).
double uniform(std::uint64_t seed, std::uint32_t row, std::uint32_t step);

class Sampler {
 public:
  explicit Sampler(float temperature) : temperature_(temperature) {}

  // The token at quantile u of softmax(logits / temperature), tokens in order of their ids. `max`
  // is the largest of logits (n), and is finite.
  int draw(const ops::Context& context, const float* logits, std::int64_t n, float max, double u);

 private:
  float temperature_;
  std::vector<float> probs_;    // (n)
  std::vector<double> blocks_;  // (ceil(n / kBlock)), sums of probs_
};

}  // namespace sottovoce
