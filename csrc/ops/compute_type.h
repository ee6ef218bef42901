// What float32, bfloat16 and int8 mean for the parts of the network. Residuals, layer norms,
// softmax sums and the decoder's own past are float32 in all of them.
#pragma once

#include <string>

#include <sottovoce/tensor.h>

namespace sottovoce {

struct ComputeType {
  std::string name;
  DType linear = DType::kFloat32;     // weights and inputs of linear layers
  DType conv = DType::kFloat32;       // of the two convolutions
  DType attention = DType::kFloat32;  // queries, and what they are compared with in the encoder
  DType cross = DType::kFloat32;      // keys and values over a window's audio, as the decoder's
};

}  // namespace sottovoce
