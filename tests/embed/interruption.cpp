// Leaves long calls by an exception of its own, and by a token: interruption MODEL_DIRECTORY
//
// Says what ended each call, and whether the next one gives what it gave before.
#include <sottovoce/audio.h>
#include <sottovoce/cancel.h>
#include <sottovoce/checkpoint.h>
#include <sottovoce/decoding.h>
#include <sottovoce/error.h>
#include <sottovoce/model.h>
#include <sottovoce/runtime.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

using sottovoce::Interruptible;
using sottovoce::Tensor;

struct Stopped {};

bool same(const Tensor& a, const Tensor& b) {
  const auto n_bytes = static_cast<std::size_t>(a.size()) * sizeof(float);
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), n_bytes) == 0;
}

// `work` over and over, until it is left.
std::string leave(const std::function<void()>& work) {
  try {
    const Interruptible here([] { throw Stopped(); });
    for (;;) work();
  } catch (const Stopped&) {
    return "left";
  }
}

// What ends `work`, over and over, under that token.
std::string end(const sottovoce::CancelToken& token, const std::function<void()>& work) {
  try {
    const sottovoce::Cancellable here(token);
    for (;;) work();
  } catch (const sottovoce::StoppedError& error) {
    return error.what();
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string directory = argc > 1 ? argv[1] : "";
  std::vector<float> samples(60 * sottovoce::kSampleRate);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = 0.1f * std::sin(0.05f * static_cast<float>(i));
  }
  const sottovoce::Model model(sottovoce::open_checkpoint(directory));
  const auto hear = [&] {
    const Tensor mel =
        sottovoce::log_mel(samples.data(), sottovoce::kNSamples, model.dims().n_mels);
    return model.encode(mel.view());
  };
  const sottovoce::AudioFeatures features = hear();
  sottovoce::DecoderState state = model.new_state({features}, 1);
  const Tensor logits = state.step({{1, 2, 3}});

  std::cout << "log_mel: " << leave([&] { sottovoce::log_mel(samples.data(), samples.size(), 80); })
            << "\nencode: " << leave(hear) << "\nModel: "
            << leave([&] { sottovoce::Model(sottovoce::open_checkpoint(directory)); });
  sottovoce::DecoderState other = model.new_state({features}, 1);
  other.step({{1}});
  std::cout << "\nstep: " << leave([&] {
    if (other.n_past(0) > 400) other = model.new_state({features}, 1);
    other.step({{5}});
  });

  int n_checks = 0;
  {
    const Interruptible outer([] { throw Stopped(); });
    const Interruptible inner([&] { ++n_checks; });
    while (n_checks == 0) hear();
    std::thread([&] { hear(); }).join();  // is nobody's
  }
  const sottovoce::CancelToken token;
  std::thread canceller([&] { token.cancel(); });
  std::cout << "\nfrom another thread: " << end(token, [&] { hear(); });
  canceller.join();
  const sottovoce::CancelToken late(std::chrono::steady_clock::now());
  std::cout << "\nat its time: " << end(late, [&] { hear(); });

  const bool is_same = same(hear().values(), features.values()) &&
                       same(model.new_state({features}, 1).step({{1, 2, 3}}), logits);
  std::cout << "\nthe inner check: called\nafterwards: " << (is_same ? "the same" : "different")
            << "\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "interruption: " << error.what() << "\n";
  return 1;
}
