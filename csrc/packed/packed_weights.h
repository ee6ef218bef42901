// Weights as a description and sections of bytes, and back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <sottovoce/checkpoint.h>
#include <sottovoce/dims.h>

#include "packed_file.h"
#include "weights.h"

namespace sottovoce::packed {

// All that a Model needs, but for the machine's part.
struct Network {
  ModelDims dims;
  std::vector<LayerHead> alignment_heads;
  Weights weights;
};

// What network.weights.type and the sections leave out. The sections point into the network.
std::string describe(const ModelDims& dims, const std::vector<LayerHead>& alignment_heads,
                     const Weights& weights, std::vector<Section>& sections);

// The network that was described, its tensors in the file's memory. Throws LoadError for a
// description that is not of what a model of its dims and this type packs.
Network read_network(const ops::Context& context, const std::shared_ptr<PackedFile>& file,
                     const ComputeType& type);

}  // namespace sottovoce::packed
