// Who computes the shares of an operation: the threads of one model instance, of whichever kind.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sottovoce {

class Threads {
 public:
  Threads() = default;
  virtual ~Threads() = default;
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  // The caller included.
  virtual int n_threads() const = 0;

  // call(body, share, thread) for every share in [0, n_shares), thread < n_threads(). Returns when
  // all are done. Any number of threads may call at once; some may then do their shares alone.
  using Call = void (*)(void* body, std::int64_t share, int thread) noexcept;
  virtual void run(std::int64_t n_shares, Call call, void* body) = 0;

 protected:
  // On the calling thread.
  static void run_alone(std::int64_t n_shares, Call call, void* body);
};

// `threading` is one of available_threading(), n_threads as in RuntimeOptions. Throws ShapeError.
std::unique_ptr<Threads> make_threads(const std::string& threading, int n_threads);

}  // namespace sottovoce
