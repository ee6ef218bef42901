// The weights of one model, packed for its kernels: immutable once made, shared by every thread.
#pragma once

#include <vector>

#include <sottovoce/checkpoint.h>
#include <sottovoce/dims.h>
#include <sottovoce/tensor.h>

#include "backend.h"
#include "compute_type.h"

namespace sottovoce {

struct MlpWeights {
  ops::LayerNorm ln;
  ops::LinearPtr up;    // (4 n_state, n_state), then GELU
  ops::LinearPtr down;  // (n_state, 4 n_state)
};

// Queries carry the attention scale d_head^-0.5; keys have no bias, so zeros stand in its place.
struct SelfAttentionWeights {
  ops::LayerNorm ln;
  ops::LinearPtr qkv;  // (3 n_state, n_state), rows q | k | v
  ops::LinearPtr out;  // (n_state, n_state)
};

struct CrossAttentionWeights {
  ops::LayerNorm ln;
  ops::LinearPtr q;    // (n_state, n_state)
  ops::LinearPtr kv;   // (2 n_state, n_state), rows k | v; applied to the audio once a window
  ops::LinearPtr out;  // (n_state, n_state)
};

struct EncoderBlockWeights {
  SelfAttentionWeights attention;
  MlpWeights mlp;
};

struct DecoderBlockWeights {
  SelfAttentionWeights attention;
  CrossAttentionWeights cross;
  MlpWeights mlp;
};

struct Weights {
  ComputeType type;
  ops::LinearPtr conv1;        // (n_audio_state, 3 n_mels)
  ops::LinearPtr conv2;        // (n_audio_state, 3 n_audio_state), stride 2
  ops::Array audio_positions;  // (n_audio_ctx, n_audio_state)
  std::vector<EncoderBlockWeights> encoder;
  ops::LayerNorm ln_post;

  ops::Embedding embedding;   // (n_vocab, n_text_state); its rows too in bfloat16 and int8
  ops::Array text_positions;  // (n_text_ctx, n_text_state)
  std::vector<DecoderBlockWeights> decoder;
  ops::LayerNorm ln;

  // Throws LoadError naming a tensor that is missing, has another shape, or is not finite.
  static Weights from_checkpoint(const ops::Backend& backend, const ComputeType& type,
                                 const Checkpoint& checkpoint);
  std::size_t n_bytes() const;
};

}  // namespace sottovoce
