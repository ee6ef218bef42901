// Tells speech from other sound: voice WEIGHTS SAMPLES
//
// SAMPLES: float32 at 16 kHz. Prints the probability of each frame, heard at once; fails unless
// blocks of 100 samples give the same.
#include <sottovoce/error.h>
#include <sottovoce/vad.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <fstream>
#include <ios>
#include <iostream>
#include <iterator>
#include <vector>

int main(int argc, char** argv) try {
  using namespace sottovoce;
  const VoiceActivity voice = VoiceActivity::open(argc > 1 ? argv[1] : "");
  std::ifstream file(argc > 2 ? argv[2] : "", std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> samples(bytes.size() / sizeof(float));
  std::copy_n(bytes.data(), samples.size() * sizeof(float),
              reinterpret_cast<char*>(samples.data()));

  const Tensor whole = voice.probabilities(samples.data(), samples.size());
  VoiceActivityStream stream(voice);
  std::vector<float> heard;
  const auto keep = [&](const Tensor& found) {
    heard.insert(heard.end(), found.data(), found.data() + found.size());
  };
  constexpr std::size_t kBlock = 100;
  for (std::size_t at = 0; at < samples.size(); at += kBlock) {
    keep(stream.feed(samples.data() + at, std::min(kBlock, samples.size() - at)));
  }
  keep(stream.finish());
  for (const float probability : heard) std::cout << std::hexfloat << probability << "\n";
  return std::equal(heard.begin(), heard.end(), whole.data(), whole.data() + whole.size()) ? 0 : 2;
} catch (const std::exception& error) {
  std::cerr << "voice: " << error.what() << "\n";
  return 1;
}
