// The ten numbers that describe a Whisper network, and the constants of its audio front end.
//
// Names and values are openai-whisper's (model.py ModelDimensions, audio.py). Every constant of
// the project that is a property of Whisper stands here once; Python reads them from the module.
#pragma once

#include <string>

namespace sottovoce {

inline constexpr int kSampleRate = 16000;                          // Hz, mono
inline constexpr int kNFft = 400;                                  // samples, 25 ms
inline constexpr int kHopLength = 160;                             // samples, 10 ms
inline constexpr int kChunkLength = 30;                            // seconds in one window
inline constexpr int kNSamples = kChunkLength * kSampleRate;       // 480000 in a window
inline constexpr int kNFrames = kNSamples / kHopLength;            // 3000 in a window
inline constexpr int kFramesPerSecond = kSampleRate / kHopLength;  // 100
inline constexpr int kInputStride = 2;                             // frames per encoder position
inline constexpr int kTokensPerSecond = kFramesPerSecond / kInputStride;  // 50 timestamps a second

// What the network is, frozen by the checkpoint.
struct ModelDims {
  int n_mels = 0;         // mel bands: 80, or 128 from large-v3 on
  int n_audio_ctx = 0;    // encoder positions of a window: 1500
  int n_audio_state = 0;  // encoder width
  int n_audio_head = 0;   // encoder attention heads
  int n_audio_layer = 0;  // encoder blocks
  int n_vocab = 0;        // rows of the token embedding
  int n_text_ctx = 0;     // decoder positions: 448
  int n_text_state = 0;   // decoder width, equal to n_audio_state in every released model
  int n_text_head = 0;    // decoder attention heads
  int n_text_layer = 0;   // decoder blocks

  // Mel frames that fill one window: 3000.
  int n_frames() const { return kInputStride * n_audio_ctx; }
  bool is_multilingual() const { return n_vocab >= 51865; }
  // 99, or 100 from large-v3 on (openai-whisper model.py num_languages).
  int n_languages() const { return n_vocab - 51765 - (is_multilingual() ? 1 : 0); }

  // Throws LoadError naming the first field that cannot describe a network.
  void validate() const;
  std::string to_string() const;  // "ModelDims(n_mels=80, ...)"

  bool operator==(const ModelDims& other) const;
  bool operator!=(const ModelDims& other) const { return !(*this == other); }
};

}  // namespace sottovoce
