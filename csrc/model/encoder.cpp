// The audio encoder, forward (openai-whisper model.py AudioEncoder).
#include "encoder.h"

#include <algorithm>

#include "mlp.h"

namespace sottovoce {

namespace {

// Time-major input of the first convolution, a zero row at either end: (n_total + 2, n_mels).
Tensor padded_frames(const float* mel, std::int64_t n_mels, std::int64_t n_frames,
                     std::int64_t n_total) {
  Tensor frames = Tensor::zeros({n_total + 2, n_mels});
  for (std::int64_t frame = 0; frame < n_frames; ++frame) {
    float* row = frames.data() + (frame + 1) * n_mels;
    for (std::int64_t band = 0; band < n_mels; ++band) row[band] = mel[band * n_frames + frame];
  }
  return frames;
}

// Both convolutions are GEMMs: with time-major rows the three taps of one output position are one
// contiguous row of 3 n_in floats, and the stride is the distance between rows.
Tensor embed_frames(const ops::Context& context, const ModelDims& dims, const Weights& weights,
                    const Tensor& frames) {
  const std::int64_t n = dims.n_audio_state;
  const std::int64_t n_total = dims.n_frames();
  Tensor stem({n_total + 2, n});
  std::fill_n(stem.data(), n, 0.0f);
  std::fill_n(stem.data() + (n_total + 1) * n, n, 0.0f);
  ops::LinearArgs conv1;
  conv1.x = frames.data();
  conv1.x_stride = dims.n_mels;
  conv1.m = n_total;
  conv1.out = stem.data() + n;
  conv1.out_stride = n;
  conv1.activation = ops::Activation::kGelu;
  ops::linear(context, weights.conv1, conv1);

  Tensor x({dims.n_audio_ctx, n});
  ops::LinearArgs conv2;
  conv2.x = stem.data();
  conv2.x_stride = kInputStride * n;
  conv2.m = dims.n_audio_ctx;
  conv2.out = x.data();
  conv2.out_stride = n;
  conv2.activation = ops::Activation::kGelu;
  conv2.residual = weights.audio_positions.data();
  conv2.residual_stride = n;
  ops::linear(context, weights.conv2, conv2);
  return x;
}

// Buffers of one forward pass, reused by every block.
struct Workspace {
  explicit Workspace(const ModelDims& dims)
      : normal({dims.n_audio_ctx, dims.n_audio_state}),
        qkv({dims.n_audio_ctx, 3 * dims.n_audio_state}),
        mixed({dims.n_audio_ctx, dims.n_audio_state}),
        hidden({dims.n_audio_ctx, 4 * dims.n_audio_state}) {}
  Tensor normal;  // (n_audio_ctx, n_state) after a layer norm
  Tensor qkv;     // (n_audio_ctx, 3 n_state), columns q | k | v
  Tensor mixed;   // (n_audio_ctx, n_state) out of attention
  Tensor hidden;  // (n_audio_ctx, 4 n_state) inside the MLP
};

// x += attention(layer_norm(x))
std::size_t attend(const ops::Context& context, const ModelDims& dims,
                   const SelfAttentionWeights& weights, Workspace& work, Tensor& x) {
  const std::int64_t n = dims.n_audio_state;
  const std::int64_t n_ctx = dims.n_audio_ctx;
  const std::int64_t d_head = n / dims.n_audio_head;
  ops::layer_norm(context, x.data(), n_ctx, n, weights.ln.weight, weights.ln.bias,
                  work.normal.data());
  ops::linear(context, weights.qkv, {work.normal.data(), n, n_ctx, work.qkv.data(), 3 * n});
  const ops::PackedKeysValues packed =
      ops::pack_keys_values(context, work.qkv.data() + n, work.qkv.data() + 2 * n, 3 * n, n_ctx,
                            dims.n_audio_head, d_head);
  ops::AttentionArgs args;
  args.groups = {{&packed, work.qkv.data(), work.mixed.data(), n_ctx}};
  args.q_stride = 3 * n;
  args.out_stride = n;
  args.n_head = dims.n_audio_head;
  args.d_head = d_head;
  const std::size_t scratch = ops::attention(context, args);
  ops::linear(context, weights.out,
              {work.mixed.data(), n, n_ctx, x.data(), n, ops::Activation::kNone, x.data(), n});
  return scratch + packed.n_bytes();
}

Tensor copy_of(const Tensor& source) {
  Tensor copy(source.shape());
  std::copy_n(source.data(), source.size(), copy.data());
  return copy;
}

}  // namespace

Tensor encode_window(const ops::Context& context, const ModelDims& dims, const Weights& weights,
                     const float* mel, std::int64_t n_frames, std::vector<Tensor>* hidden_states,
                     std::uint64_t& scratch_bytes) {
  const Tensor frames = padded_frames(mel, dims.n_mels, n_frames, dims.n_frames());
  Tensor x = embed_frames(context, dims, weights, frames);
  Workspace work(dims);
  if (hidden_states) hidden_states->push_back(copy_of(x));
  for (const EncoderBlockWeights& block : weights.encoder) {
    const std::uint64_t scratch = attend(context, dims, block.attention, work, x);
    scratch_bytes = std::max(scratch_bytes, scratch);
    add_mlp(context, block.mlp, work.normal, work.hidden, x);
    if (hidden_states) hidden_states->push_back(copy_of(x));
  }
  ops::layer_norm(context, x.data(), dims.n_audio_ctx, dims.n_audio_state, weights.ln_post.weight,
                  weights.ln_post.bias, work.normal.data());
  return std::move(work.normal);
}

}  // namespace sottovoce
