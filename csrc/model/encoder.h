// The audio encoder: two convolutions, sinusoidal positions, pre-norm transformer blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <sottovoce/dims.h>
#include <sottovoce/tensor.h>

#include "backend.h"
#include "weights.h"

namespace sottovoce {

// Room for one forward pass at a time over n_windows windows, reused by every block and by later
// passes: fresh memory would cost a page fault every 4 KB.
struct EncoderWorkspace {
  EncoderWorkspace(const ops::Backend& backend, const ModelDims& dims, const Weights& weights,
                   int windows, int positions);

  int n_windows;
  int n_ctx;            // positions of a window, n_audio_ctx or less
  ops::Array frames;    // (n_windows, 2 n_ctx + 2, n_mels) time-major, zero rows at both ends
  ops::Array stem;      // (n_windows, 2 n_ctx + 2, n) out of the first convolution, likewise
  ops::Array x;         // (n_windows, n_ctx, n) residual stream
  ops::RowsPtr normal;  // (n_windows * n_ctx, n) after a layer norm
  ops::RowsPtr q;       // (n_windows * n_ctx, n)
  std::vector<ops::KeysValuesPtr> keys_values;  // (n_windows)
  ops::RowsPtr mixed;                           // (n_windows * n_ctx, n) out of attention
  std::unique_ptr<ops::MlpScratch> mlp;
};

// What one encoder pass reads and writes besides the audio.
struct EncoderPass {
  const ops::Backend& backend;
  const ModelDims& dims;
  const Weights& weights;
  EncoderWorkspace& work;
  std::uint64_t scratch_bytes = 0;  // grows to the largest attention scratch
};

// What becomes of one window.
struct EncodedWindow {
  ops::Array features;                // (n_ctx, n_audio_state)
  std::vector<Tensor> hidden_states;  // if asked for: the embedding and the output of every block
};

// Windows side by side: mels (n_mels, n_frames) each, n_frames <= 2 n_ctx, filled with 0.0; as many
// as the workspace is for.
std::vector<EncodedWindow> encode_windows(EncoderPass& pass, const std::vector<TensorView>& mels,
                                          bool hidden_states);

}  // namespace sottovoce
