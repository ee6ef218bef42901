// The weights of one model, packed for its kernels: immutable once made, shared by every thread.
#pragma once

#include <vector>

#include <sottovoce/checkpoint.h>
#include <sottovoce/dims.h>
#include <sottovoce/tensor.h>

#include "compute_type.h"
#include "ops.h"

namespace sottovoce {

struct LayerNormWeights {
  Tensor weight;  // (n_state)
  Tensor bias;    // (n_state)
};

struct MlpWeights {
  LayerNormWeights ln;
  ops::PackedLinear up;    // (4 n_state, n_state), then GELU
  ops::PackedLinear down;  // (n_state, 4 n_state)
};

// Queries carry the attention scale d_head^-0.5; keys have no bias, so zeros stand in its place.
struct SelfAttentionWeights {
  LayerNormWeights ln;
  ops::PackedLinear qkv;  // (3 n_state, n_state), rows q | k | v
  ops::PackedLinear out;  // (n_state, n_state)
};

struct CrossAttentionWeights {
  LayerNormWeights ln;
  ops::PackedLinear q;    // (n_state, n_state)
  ops::PackedLinear kv;   // (2 n_state, n_state), rows k | v; applied to the audio once a window
  ops::PackedLinear out;  // (n_state, n_state)
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
  ops::PackedLinear conv1;  // (n_audio_state, 3 n_mels)
  ops::PackedLinear conv2;  // (n_audio_state, 3 n_audio_state), stride 2
  Tensor audio_positions;   // (n_audio_ctx, n_audio_state)
  std::vector<EncoderBlockWeights> encoder;
  LayerNormWeights ln_post;

  ops::PackedLinear embedding;  // (n_vocab, n_text_state): token embedding and logits
  // bfloat16, int8: the same rows as the checkpoint has them, for embedding tokens and for
  // rescoring.
  Tensor embedding_rows;
  Tensor text_positions;  // (n_text_ctx, n_text_state)
  std::vector<DecoderBlockWeights> decoder;
  LayerNormWeights ln;

  // Throws LoadError naming a tensor that is missing, has another shape, or is not finite.
  static Weights from_checkpoint(const ops::Context& context, const ComputeType& type,
                                 const Checkpoint& checkpoint);
  std::size_t n_bytes() const;
};

}  // namespace sottovoce
