// The audio encoder, forward (openai-whisper model.py AudioEncoder).
#include "encoder.h"

#include <algorithm>

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

// Windows of three rows of `rows` (n_rows, n), every `stride` rows.
ops::RowsView windows_of(const Tensor& rows, std::int64_t stride) {
  const auto n_bytes = static_cast<std::int64_t>(size_of(rows.dtype()));
  return {rows.raw(), stride * rows.shape()[1] * n_bytes};
}

// Both convolutions are GEMMs: with time-major rows the three taps of one output position are one
// contiguous row of 3 n_in elements, and the stride is the distance between rows.
void embed_frames(const ops::Context& context, const ModelDims& dims, const Weights& weights,
                  const Tensor& frames, EncoderWorkspace& work) {
  const std::int64_t n = dims.n_audio_state;
  const std::int64_t n_total = dims.n_frames();
  const DType dtype = weights.conv2.dtype();
  ops::LinearArgs conv1;
  conv1.x = windows_of(frames, 1);
  conv1.m = n_total;
  const std::int64_t first_row = n * static_cast<std::int64_t>(size_of(dtype));
  conv1.out = {{static_cast<char*>(work.stem.raw()) + first_row, dtype, n}};
  conv1.activation = ops::Activation::kGelu;
  ops::linear(context, weights.conv1, conv1);

  ops::LinearArgs conv2;
  conv2.x = windows_of(work.stem, kInputStride);
  conv2.m = dims.n_audio_ctx;
  conv2.out = {{work.x.data(), DType::kFloat32, n}};
  conv2.activation = ops::Activation::kGelu;
  conv2.residual = weights.audio_positions.data();
  conv2.residual_stride = n;
  ops::linear(context, weights.conv2, conv2);
}

// x += attention(layer_norm(x))
std::size_t attend(const ops::Context& context, const ModelDims& dims,
                   const SelfAttentionWeights& weights, EncoderWorkspace& work) {
  ops::layer_norm(context, work.x.data(), weights.ln.weight, weights.ln.bias, work.normal);
  Tensor& q = work.q.written();
  const ops::Destination to_q{q.raw(), q.dtype(), q.shape()[1]};
  ops::linear(context, weights.qkv,
              {work.normal.view(),
               dims.n_audio_ctx,
               {to_q, work.keys_values.keys(), work.keys_values.values()}});
  ops::AttentionArgs args;
  args.groups = {{&work.keys_values, 0, dims.n_audio_ctx}};
  args.q = &work.q;
  args.out = &work.mixed;
  args.n_head = dims.n_audio_head;
  args.d_head = dims.n_audio_state / dims.n_audio_head;
  const std::size_t scratch = ops::attention(context, args);
  ops::add_linear(context, weights.out, work.mixed, work.x.data());
  return scratch + work.keys_values.n_bytes();
}

}  // namespace

EncoderWorkspace::EncoderWorkspace(const ops::Context& context, const ModelDims& dims,
                                   const Weights& weights)
    : stem(Tensor::zeros({dims.n_frames() + 2, dims.n_audio_state}, weights.type.conv)),
      x({dims.n_audio_ctx, dims.n_audio_state}),
      normal(dims.n_audio_ctx, dims.n_audio_state, weights.type.linear),
      q(dims.n_audio_ctx, dims.n_audio_state, weights.type.attention),
      keys_values(context, weights.type.attention, dims.n_audio_ctx, dims.n_audio_head,
                  dims.n_audio_state / dims.n_audio_head),
      mixed(dims.n_audio_ctx, dims.n_audio_state, weights.type.linear),
      mlp(dims.n_audio_ctx, dims.n_audio_state, weights.type.linear) {
  x.use_huge_pages();
}

Tensor encode_window(const ops::Context& context, const ModelDims& dims, const Weights& weights,
                     const float* mel, std::int64_t n_frames, EncoderWorkspace& work,
                     std::vector<Tensor>* hidden_states, std::uint64_t& scratch_bytes) {
  Tensor frames = padded_frames(mel, dims.n_mels, n_frames, dims.n_frames());
  embed_frames(context, dims, weights,
               ops::convert(context, std::move(frames), weights.conv1.dtype()), work);
  if (hidden_states) hidden_states->push_back(ops::copy_of(context, work.x.view()));
  for (const EncoderBlockWeights& block : weights.encoder) {
    const std::uint64_t scratch = attend(context, dims, block.attention, work);
    scratch_bytes = std::max(scratch_bytes, scratch);
    add_mlp(context, block.mlp, work.mlp, work.x);
    if (hidden_states) hidden_states->push_back(ops::copy_of(context, work.x.view()));
  }
  ops::Activations features(dims.n_audio_ctx, dims.n_audio_state, DType::kFloat32);
  ops::layer_norm(context, work.x.data(), weights.ln_post.weight, weights.ln_post.bias, features);
  return std::move(features.written());
}

}  // namespace sottovoce
