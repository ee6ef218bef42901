// Where a CPU back end takes the memory of arrays, weights and activations from.
#pragma once

#include <cstddef>
#include <memory>

#include <sottovoce/tensor.h>

#include "host.h"

namespace sottovoce::ops {

class HostMemory {
 public:
  virtual ~HostMemory() = default;
  // Aligned to a cache line and followed by one of zeros, uninitialised else.
  virtual std::shared_ptr<void> take(std::size_t n_bytes) = 0;
};

// A context, and whose memory it is that outlives a verb.
struct CpuContext : Context {
  explicit CpuContext(const Context& context, HostMemory* of_backend = nullptr)
      : Context(context), memory(of_backend) {}
  HostMemory* memory;  // null: the system's
};

// A tensor that outlives the verb which makes it.
Tensor make_tensor(const CpuContext& context, Shape shape, DType dtype = DType::kFloat32);
Tensor zero_tensor(const CpuContext& context, Shape shape, DType dtype = DType::kFloat32);

}  // namespace sottovoce::ops
