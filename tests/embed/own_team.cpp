// Uses one model from inside OpenMP regions of its own: own_team MODEL_DIRECTORY
//
// Before, in and after a region, with nesting off and on, by each kind of threads: every answer
// must have the bits of a model alone on one thread. Says so in one line for each kind, or which
// differ.
#include <sottovoce/checkpoint.h>
#include <sottovoce/model.h>
#include <sottovoce/runtime.h>

#include <omp.h>

#include <cmath>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

namespace {

using sottovoce::Model;
using sottovoce::Tensor;

struct Answer {
  sottovoce::AudioFeatures features;
  Tensor logits;
};

Answer ask(const Model& model, const Tensor& mel) {
  const sottovoce::AudioFeatures features = model.encode(mel.view());
  return {features, model.logits({1, 2, 3}, features)};
}

bool same(const Tensor& a, const Tensor& b) {
  const auto n_bytes = static_cast<std::size_t>(a.size()) * sizeof(float);
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), n_bytes) == 0;
}

bool same(const Answer& a, const Answer& b) {
  return same(a.features.values(), b.features.values()) && same(a.logits, b.logits);
}

// How many of the team's calls gave something else, or failed.
int n_wrong_in_region(const Model& model, const Tensor& mel, const Answer& expected) {
  constexpr int kTeam = 3;
  int n_wrong = 0;
#pragma omp parallel num_threads(kTeam) reduction(+ : n_wrong)
  {
    try {
      if (!same(ask(model, mel), expected)) ++n_wrong;
    } catch (const std::exception&) {
      ++n_wrong;
    }
  }
  return n_wrong;
}

int n_wrong(const Model& model, const Tensor& mel, const Answer& expected) {
  int n = same(ask(model, mel), expected) ? 0 : 1;
  for (const int levels : {1, 2}) {
    omp_set_max_active_levels(levels);
    n += n_wrong_in_region(model, mel, expected);
  }
  return n + (same(ask(model, mel), expected) ? 0 : 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: own_team MODEL_DIRECTORY\n";
    return 2;
  }
  try {
    const sottovoce::Checkpoint checkpoint = sottovoce::open_checkpoint(argv[1]);
    sottovoce::RuntimeOptions options;
    options.n_threads = 1;
    Tensor mel({checkpoint.dims.n_mels, 3000});
    for (std::int64_t i = 0; i < mel.size(); ++i) {
      mel.data()[i] = std::sin(static_cast<float>(i));
    }
    const Answer expected = ask(Model(checkpoint, options), mel);
    options.n_threads = 2;
    for (const std::string& threading : sottovoce::available_threading()) {
      options.threading = threading;
      const int n = n_wrong(Model(checkpoint, options), mel, expected);
      std::cout << threading << ": " << n << " wrong\n";
    }
  } catch (const std::exception& error) {
    std::cerr << "own_team: " << error.what() << "\n";
    return 1;
  }
}
