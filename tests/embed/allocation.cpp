// Lets every allocation fail, one after the other: allocation MODEL_DIRECTORY CACHE_FOLDER
//
// What a call does then is throw std::bad_alloc, or manage without; afterwards the model gives what
// it gave before. Says for each call how many places failed, and how many things were wrong.
#include <sottovoce/audio.h>
#include <sottovoce/checkpoint.h>
#include <sottovoce/decoding.h>
#include <sottovoce/model.h>
#include <sottovoce/packed.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <new>
#include <string>
#include <vector>

namespace {

std::atomic<long> n_left{-1};  // allocations until one fails; negative: none does
std::atomic<bool> has_failed{false};

bool fails() {
  if (n_left < 0 || n_left-- != 0) return false;
  has_failed = true;
  return true;
}

void* allocate(std::size_t n_bytes, std::size_t alignment) {
  const std::size_t rounded = (n_bytes + alignment) / alignment * alignment;
  void* memory = fails() ? nullptr : std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t n_bytes) { return allocate(n_bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t n_bytes, std::align_val_t alignment) {
  return allocate(n_bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

// What large arrays are allocated with.
extern "C" int posix_memalign(void** memory, std::size_t alignment, std::size_t n_bytes) noexcept {
  const std::size_t rounded = (n_bytes + alignment) / alignment * alignment;
  *memory = fails() ? nullptr : std::aligned_alloc(alignment, rounded);
  return *memory == nullptr ? ENOMEM : 0;
}

namespace {

using namespace sottovoce;
using Tokens = std::vector<int>;

bool same(const Tensor& a, const Tensor& b) {
  const auto n_bytes = static_cast<std::size_t>(a.size()) * sizeof(float);
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), n_bytes) == 0;
}

// The call with its first, second, ... allocation failing, until it needs no more.
void try_each(const char* name, const std::function<void()>& call,
              const std::function<bool()>& is_well) {
  call();  // what is allocated once
  long n_places = 0;
  int n_wrong = 0;
  for (;; ++n_places) {
    has_failed = false;
    n_left = n_places;
    try {
      call();
    } catch (const std::bad_alloc&) {
    } catch (const std::exception& error) {
      n_left = -1;
      std::cerr << name << ", place " << n_places << ": " << error.what() << "\n";
      ++n_wrong;
    }
    n_left = -1;
    if (!has_failed) break;
    if (n_places % 20 == 0 && !is_well()) ++n_wrong;
  }
  if (!is_well()) ++n_wrong;
  std::cout << name << ": " << (n_places > 3 ? "many" : "few") << " places, " << n_wrong
            << " wrong\n";
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::invalid_argument("allocation MODEL_DIRECTORY CACHE_FOLDER");
  const std::string directory = argv[1];
  const std::string folder = argv[2];
  std::vector<float> samples(2 * kSampleRate);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = 0.1f * std::sin(0.05f * static_cast<float>(i));
  }
  const auto hear = [&] { return log_mel(samples.data(), samples.size(), 80, 0, 2); };
  RuntimeOptions runtime;
  runtime.n_threads = 2;
  runtime.compute_type = "int8";
  const Checkpoint checkpoint = open_checkpoint(directory);
  const Model model(checkpoint, runtime);
  const Tensor mel = hear();
  const AudioFeatures features = model.encode(mel.view());
  DecodingOptions options;
  options.special = special_tokens(Vocabulary::open(directory));
  options.initial_tokens = {options.special.eot + 1};
  options.sample_len = 8;
  options.beam_size = 2;
  const DecodingResult said = decode(model, {features}, {options}).front();
  const auto is_well = [&] {
    return same(hear(), mel) && same(model.encode(mel.view()).values(), features.values()) &&
           decode(model, {features}, {options}).front().tokens == said.tokens;
  };

  try_each("log_mel", hear, is_well);
  try_each("open_checkpoint", [&] { open_checkpoint(directory); }, is_well);
  try_each("Model", [&] { const Model again(checkpoint, runtime); }, is_well);
  try_each("encode", [&] { model.encode(mel.view()); }, is_well);
  try_each("decode", [&] { decode(model, {features}, {options}); }, is_well);
  try_each("detect_language", [&] { detect_language(model, features, 5, {6, 7}); }, is_well);
  try_each("open_model", [&] { open_model(directory, runtime, folder); }, is_well);
  DecoderState state = model.new_state({features}, 2);
  try_each(
      "step",
      [&] {
        state = model.new_state({features}, 2);
        state.step({{1, 2}, {3}});
      },
      is_well);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "allocation: " << error.what() << "\n";
  return 1;
}
