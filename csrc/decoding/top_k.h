// The k largest of a row of logits, in one pass.
#pragma once

#include <cstdint>
#include <vector>

namespace sottovoce {

// Indices of the k largest of x (n), k <= n: largest first, lowest index first among equals.
void top_k(const float* x, std::int64_t n, int k, std::vector<int>& out);

}  // namespace sottovoce
