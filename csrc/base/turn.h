// Holds something that serves one thread at a time, for the length of one call: another thread's
// call meanwhile is an error, not a race.
#pragma once

#include <atomic>

#include <sottovoce/error.h>

namespace sottovoce {

class Turn {
 public:
  Turn(std::atomic<bool>& busy, const char* refusal) : busy_(busy) {
    if (busy_.exchange(true)) throw StateError(refusal);
  }
  ~Turn() { busy_ = false; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic<bool>& busy_;
};

}  // namespace sottovoce
