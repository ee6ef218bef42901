// ggml's types of tensors: how many bytes they take, and what their blocks of 32 numbers mean.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sottovoce::ggml {

inline constexpr std::int64_t kBlock = 32;  // numbers of a row that share a scale

struct Type {
  std::int32_t id;         // in files
  const char* name;        // "q5_0"
  std::int64_t n_numbers;  // of a block; 1: not quantised
  std::size_t n_bytes;     // of a block
  // Writes the numbers of `n` blocks; null if not quantised.
  void (*expand)(const unsigned char* blocks, std::int64_t n, float* out);
};

// The type of that number in files, or null if it is none that is read.
const Type* find_type(std::int32_t id);

}  // namespace sottovoce::ggml
