// Transcribes a WAV file with the C++ library alone:
//   embed MODEL_DIRECTORY FILE.wav [CACHE_FOLDER [PROMPT]]
//
// The model is a Hugging Face directory, the audio 16-bit PCM, 16 kHz, mono. An empty CACHE_FOLDER
// is none; PROMPT is text that might have been said before. Windows of 30 s are decoded greedily at
// temperature 0, each prompted with the text before it, as openai-whisper does; what the Python
// package adds is not here: retries at higher temperatures, beam search options, word times, other
// audio formats.
#include <sottovoce/audio.h>
#include <sottovoce/checkpoint.h>
#include <sottovoce/decoding.h>
#include <sottovoce/error.h>
#include <sottovoce/model.h>
#include <sottovoce/packed.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using sottovoce::AudioFeatures;
using sottovoce::DecodingOptions;
using sottovoce::DecodingResult;
using sottovoce::Model;
using sottovoce::Tensor;
using sottovoce::Vocabulary;
using Tokens = std::vector<int>;

// ---- audio ----

std::uint32_t little_endian(const std::string& bytes, std::size_t at, std::size_t n_bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = n_bytes; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  }
  return value;
}

void check_format(const std::string& wav, std::size_t at) {
  const bool pcm16_mono = little_endian(wav, at, 2) == 1 && little_endian(wav, at + 2, 2) == 1 &&
                          little_endian(wav, at + 14, 2) == 16;
  if (!pcm16_mono || little_endian(wav, at + 4, 4) != sottovoce::kSampleRate) {
    throw std::runtime_error("the WAV file must be 16-bit PCM, mono, 16 kHz");
  }
}

// Samples of a WAV file, (n_samples,) in [-1, 1).
std::vector<float> read_wav(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string wav{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (wav.compare(0, 4, "RIFF") != 0 || wav.size() < 12) {
    throw std::runtime_error("'" + path + "' is not a WAV file");
  }
  for (std::size_t at = 12; at + 8 <= wav.size();) {
    const std::size_t n_bytes = little_endian(wav, at + 4, 4);
    if (wav.compare(at, 4, "fmt ") == 0) check_format(wav, at + 8);
    if (wav.compare(at, 4, "data") == 0) {
      std::vector<float> samples(std::min(n_bytes, wav.size() - at - 8) / 2);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        const auto pcm = static_cast<std::int16_t>(little_endian(wav, at + 8 + 2 * i, 2));
        samples[i] = static_cast<float>(pcm) / 32768.0f;
      }
      return samples;
    }
    at += 8 + n_bytes + n_bytes % 2;  // chunks start at even positions
  }
  throw std::runtime_error("'" + path + "' has no samples");
}

// Frames [first, first + n_frames) of mel (n_mels, n_all_frames), as (n_mels, n_frames).
Tensor slice(const Tensor& mel, int first, int n_frames) {
  Tensor out({mel.shape()[0], n_frames});
  for (std::int64_t band = 0; band < mel.shape()[0]; ++band) {
    std::copy_n(mel.data() + band * mel.shape()[1] + first, n_frames, out.data() + band * n_frames);
  }
  return out;
}

// ---- tokens ----

int special(const Vocabulary& vocabulary, const char* name) {
  const auto id = vocabulary.special(name);
  if (!id) throw std::runtime_error(std::string("the vocabulary has no ") + name);
  return *id;
}

// What every window of this model has in common.
DecodingOptions base_options(const Vocabulary& vocabulary, const Tokens& suppress_tokens) {
  DecodingOptions options;
  options.special = sottovoce::special_tokens(vocabulary);
  options.suppress_tokens = suppress_tokens;
  options.blank_tokens = vocabulary.encode(" ");
  options.blank_tokens.push_back(options.special.eot);
  options.max_initial_timestamp_index = sottovoce::kTokensPerSecond;  // speech starts within 1 s
  return options;
}

// The likeliest language of an opening (n_mels, 3000): languages are numbered from after sot on.
int detect_language(const Model& model, const Tensor& opening, int sot) {
  Tokens languages(static_cast<std::size_t>(model.dims().n_languages()));
  for (std::size_t i = 0; i < languages.size(); ++i) languages[i] = sot + 1 + static_cast<int>(i);
  const auto probabilities =
      sottovoce::detect_language(model, model.encode(opening.view()), sot, languages);
  const auto likeliest = std::max_element(probabilities.begin(), probabilities.end());
  return languages[static_cast<std::size_t>(likeliest - probabilities.begin())];
}

// What decoding starts from: sot, and for a multilingual model the language and the task.
Tokens sot_sequence(const Model& model, const Vocabulary& vocabulary, const Tensor& mel) {
  const int sot = special(vocabulary, "<|startoftranscript|>");
  if (!model.dims().is_multilingual()) return {sot};
  const int language = detect_language(model, slice(mel, 0, sottovoce::kNFrames), sot);
  return {sot, language, special(vocabulary, "<|transcribe|>")};
}

// ---- windows ----

// What one window adds to the text, and the frame where the next window starts.
struct Heard {
  Tokens tokens;  // with timestamps
  int seek = 0;
};

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\n\r\f\v") == std::string::npos;
}

// Two timestamps in a row end one segment and start the next. What follows the last such pair is
// unfinished, and the next window starts there; without a pair, or with a lone timestamp at the
// end, this window is finished. Segments that say nothing or take no time are dropped.
Heard cut_window(const Tokens& tokens, const Vocabulary& vocabulary, int timestamp_begin, int seek,
                 int n_frames) {
  const auto is_timestamp = [&](std::size_t i) { return tokens[i] >= timestamp_begin; };
  const std::size_t n = tokens.size();
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < n; ++i) {
    if (is_timestamp(i - 1) && is_timestamp(i)) cuts.push_back(i);
  }
  Heard heard{{}, seek + n_frames};
  if (cuts.empty()) {
    if (!is_blank(vocabulary.decode(tokens))) heard.tokens = tokens;
    return heard;
  }
  if (is_timestamp(n - 1) && !is_timestamp(n - 2)) {
    cuts.push_back(n);
  } else {
    const int steps = tokens[cuts.back() - 1] - timestamp_begin;
    if (steps > 0) heard.seek = seek + steps * sottovoce::kInputStride;
  }
  std::size_t first = 0;
  for (const std::size_t last : cuts) {
    const Tokens segment(tokens.begin() + static_cast<std::ptrdiff_t>(first),
                         tokens.begin() + static_cast<std::ptrdiff_t>(last));
    if (segment.front() != segment.back() && !is_blank(vocabulary.decode(segment))) {
      heard.tokens.insert(heard.tokens.end(), segment.begin(), segment.end());
    }
    first = last;
  }
  return heard;
}

// [<|startofprev|>, the last half context of what was said] before the sot sequence.
void set_prompt(DecodingOptions& options, const Tokens& said, const Tokens& sot_tokens,
                int sot_prev, int n_text_ctx) {
  options.initial_tokens.clear();
  if (!said.empty()) {
    const auto room = static_cast<std::size_t>(n_text_ctx / 2 - 1);
    const auto n_prompt = static_cast<std::ptrdiff_t>(std::min(said.size(), room));
    options.initial_tokens.push_back(sot_prev);
    options.initial_tokens.insert(options.initial_tokens.end(), said.end() - n_prompt, said.end());
  }
  options.sot_index = static_cast<int>(options.initial_tokens.size());
  options.initial_tokens.insert(options.initial_tokens.end(), sot_tokens.begin(), sot_tokens.end());
}

bool is_silence(const DecodingResult& result) {
  return result.no_speech_prob > 0.6f && result.avg_logprob <= -1.0f;
}

std::string transcribe(const Model& model, const Vocabulary& vocabulary, DecodingOptions options,
                       const Tokens& prompt, const std::vector<float>& samples) {
  // 30 s of silence follow the recording, so that its end fills a window too.
  const Tensor mel =
      sottovoce::log_mel(samples.data(), samples.size(), model.dims().n_mels, sottovoce::kNSamples);
  const Tokens sot_tokens = sot_sequence(model, vocabulary, mel);
  const int sot_prev = special(vocabulary, "<|startofprev|>");
  const int n_content = static_cast<int>(mel.shape()[1]) - sottovoce::kNFrames;
  Tokens said = prompt;
  for (int seek = 0; seek < n_content;) {
    const int n_frames = std::min(sottovoce::kNFrames, n_content - seek);
    const AudioFeatures features = model.encode(slice(mel, seek, n_frames).view());
    set_prompt(options, said, sot_tokens, sot_prev, model.dims().n_text_ctx);
    const DecodingResult result = sottovoce::decode(model, {features}, {options}).front();
    if (is_silence(result)) {
      seek += n_frames;
      continue;
    }
    const Heard heard =
        cut_window(result.tokens, vocabulary, options.special.timestamp_begin, seek, n_frames);
    said.insert(said.end(), heard.tokens.begin(), heard.tokens.end());
    seek = heard.seek;
  }
  const auto n_prompt = static_cast<std::ptrdiff_t>(prompt.size());
  return vocabulary.decode(Tokens(said.begin() + n_prompt, said.end()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::cerr << "usage: embed MODEL_DIRECTORY FILE.wav [CACHE_FOLDER [PROMPT]]\n";
    return 2;
  }
  try {
    const sottovoce::Checkpoint checkpoint = sottovoce::open_checkpoint(argv[1]);
    const Vocabulary vocabulary = Vocabulary::open(argv[1]);
    const std::string folder = argc > 3 ? argv[3] : "";
    const Model model =
        folder.empty() ? Model(checkpoint) : sottovoce::open_model(argv[1], {}, folder);
    const DecodingOptions options = base_options(vocabulary, checkpoint.suppress_tokens);
    const Tokens prompt = argc > 4 ? vocabulary.encode(std::string(" ") + argv[4]) : Tokens();
    std::cout << transcribe(model, vocabulary, options, prompt, read_wav(argv[2])) << "\n";
  } catch (const std::exception& error) {  // LoadError, ShapeError, ...: all say what was wrong
    std::cerr << "embed: " << error.what() << "\n";
    return 1;
  }
}
