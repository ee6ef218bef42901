// The audio front end as pure functions: samples in, log-mel out, no state and no maths left over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sottovoce/tensor.h>

namespace sottovoce {

// Log-mel spectrogram of openai-whisper (audio.py log_mel_spectrogram): periodic Hann window of
// 400 samples, hop 160, 200 samples of reflection at both ends, last frame dropped, Slaney mel
// filters, log10 clamped at 1e-10, floored at the maximum over the whole input less 8, (x + 4) / 4.
//   samples    (n_samples,) float32, 16 kHz mono
//   n_mels     80 or 128 (any 1..kNFft/2 is computed)
//   padding    zero samples appended before the transform (transcribe uses kNSamples)
//   n_threads  as in RuntimeOptions, 1024 at most; the same bits for any number
//   isa        as RuntimeOptions has it; the same bits for any
// Returns (n_mels, n_frames) float32, n_frames = (n_samples + padding) / 160.
// Throws ShapeError if the padded input has 200 samples or fewer (nothing to reflect) or a sample
// is not finite, or for an isa that this CPU does not have.
Tensor log_mel(const float* samples, std::size_t n_samples, int n_mels, std::size_t padding = 0,
               int n_threads = 0, const std::string& isa = {});

// 1 for each of `n_frames` frames that holds audio, 0 for padding: frame f is real if
// f < n_samples / kHopLength. An 8.1 s clip has 810 ones of 3000.
std::vector<std::uint8_t> frame_mask(std::size_t n_samples, int n_frames);

// Slaney-scale, Slaney-normalised triangular filters, computed (librosa.filters.mel's definition):
// (n_mels, 201) float32 for 16 kHz and 400-point transforms.
Tensor mel_filters(int n_mels);

}  // namespace sottovoce
