// The audio encoder: two convolutions, sinusoidal positions, pre-norm transformer blocks.
#pragma once

#include <vector>

#include <sottovoce/dims.h>
#include <sottovoce/tensor.h>

#include "mlp.h"
#include "ops.h"
#include "weights.h"

namespace sottovoce {

// Buffers of one forward pass at a time, reused by every block and by later passes: fresh memory
// would cost a page fault every 4 KB.
struct EncoderWorkspace {
  EncoderWorkspace(const ops::Context& context, const ModelDims& dims, const Weights& weights);

  Tensor stem;  // (n_frames + 2, n) out of the first convolution, zero rows at both ends
  Tensor x;     // (n_audio_ctx, n) residual stream
  ops::Activations normal;  // (n_audio_ctx, n) after a layer norm
  ops::Activations q;       // (n_audio_ctx, n)
  ops::PackedKeysValues keys_values;
  ops::Activations mixed;  // (n_audio_ctx, n) out of attention
  MlpScratch mlp;
};

// mel (n_mels, n_frames), n_frames <= dims.n_frames(), filled with 0.0 -> features
// (n_audio_ctx, n_audio_state). If `hidden_states` is given it receives the embedding and the
// output of every block. `scratch_bytes` grows to the largest attention scratch.
Tensor encode_window(const ops::Context& context, const ModelDims& dims, const Weights& weights,
                     const float* mel, std::int64_t n_frames, EncoderWorkspace& work,
                     std::vector<Tensor>* hidden_states, std::uint64_t& scratch_bytes);

}  // namespace sottovoce
