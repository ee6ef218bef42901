// whisper.cpp's single files: header, mel filters, vocabulary and tensors, one after the other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <sottovoce/checkpoint.h>

namespace sottovoce::ggml {

// Whether a file begins as such files do; false too if it cannot be read.
bool is_ggml(const std::string& path);

// Dimensions and tensors. float32 and float16 are views into the map; quantised weights become
// float32, exactly. Throws LoadError naming the file and the tensor.
Checkpoint open(const std::string& path);

// What the file says of its vocabulary.
struct Tokens {
  int n_vocab = 0;                  // rows of the embedding
  std::vector<std::string> pieces;  // bytes of the ordinary tokens by id
};

// Reads no further than the vocabulary. Throws LoadError.
Tokens read_tokens(const std::string& path);

}  // namespace sottovoce::ggml
