// Ending long calls from another thread, or at a time.
//
//   const CancelToken token;                   // another thread: token.cancel()
//   const Cancellable here(token);
//   batch.advance();                           // throws CancelledError
//
// runtime.h has Interruptible, which asks a function of yours instead, some ten times a second.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

namespace sottovoce {

// Says that what goes on is not wanted any more. Copies are the same token, and any number of calls
// and threads may have it; once cancelled it stays so, and so does a deadline that has passed.
class CancelToken {
 public:
  using Clock = std::chrono::steady_clock;

  CancelToken();                                     // until somebody cancels
  explicit CancelToken(Clock::time_point deadline);  // or until then

  // Cancelled with this one, and at this deadline too if it comes before its own.
  CancelToken with_deadline(Clock::time_point deadline) const;

  void cancel() const noexcept;  // from any thread or signal handler
  bool is_cancelled() const noexcept;
  // Throws CancelledError, or else DeadlineExceededError, if that has come.
  void check() const;

 private:
  std::shared_ptr<std::atomic<bool>> cancelled_;
  Clock::time_point deadline_ = Clock::time_point::max();
};

// While one lives, the calls of the thread that made it check the token before each operation of
// any length: a decoder ends within a step, an encoder within a layer. The call throws what check()
// throws, and a model serves on as if it had not been made. Within another one's life both hold;
// they end in the reverse order.
class Cancellable {
 public:
  explicit Cancellable(CancelToken token);
  ~Cancellable();
  Cancellable(const Cancellable&) = delete;
  Cancellable& operator=(const Cancellable&) = delete;

 private:
  friend void check_cancellation();

  CancelToken token_;
  const Cancellable* before_;
};

// For loops of your own: throws what the tokens of this thread's Cancellables throw.
void check_cancellation();

}  // namespace sottovoce
