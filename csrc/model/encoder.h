// The audio encoder: two convolutions, sinusoidal positions, pre-norm transformer blocks.
#pragma once

#include <vector>

#include <sottovoce/dims.h>
#include <sottovoce/tensor.h>

#include "ops.h"
#include "weights.h"

namespace sottovoce {

// mel (n_mels, n_frames), n_frames <= dims.n_frames(), filled with 0.0 -> features
// (n_audio_ctx, n_audio_state). If `hidden_states` is given it receives the embedding and the
// output of every block. `scratch_bytes` grows to the largest attention scratch.
Tensor encode_window(const ops::Context& context, const ModelDims& dims, const Weights& weights,
                     const float* mel, std::int64_t n_frames, std::vector<Tensor>* hidden_states,
                     std::uint64_t& scratch_bytes);

}  // namespace sottovoce
