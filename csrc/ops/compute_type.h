// What float32, bfloat16 and int8 mean for the parts of the network, on the kernels of a back end.
// Residuals, layer norms, softmax sums and the decoder's own past are float32 in all of them.
#pragma once

#include <string>

#include <sottovoce/tensor.h>

namespace sottovoce {

struct ComputeType {
  std::string name;
  DType linear = DType::kFloat32;     // weights and inputs of linear layers
  DType conv = DType::kFloat32;       // of the two convolutions
  DType attention = DType::kFloat32;  // of the encoder: queries, keys and values
  DType cross = DType::kFloat32;      // of the decoder: keys and values over a window's audio

  // What the decoder's queries are compared with those in: bytes as the bfloat16 they are.
  DType cross_queries() const { return cross == DType::kFloat32 ? cross : DType::kBFloat16; }
  // The name and what it stands for, which depends on the kernels: "int8
  // int8/float32/float32/int8".
  std::string meaning() const {
    std::string text = name;
    char separator = ' ';
    for (const DType part : {linear, conv, attention, cross}) {
      text += separator + std::string(name_of(part));
      separator = '/';
    }
    return text;
  }
};

}  // namespace sottovoce
