// The check of a thread, and when it is due.
#include "interruption.h"

#include <chrono>
#include <functional>
#include <utility>

#include <sottovoce/cancel.h>
#include <sottovoce/runtime.h>

namespace sottovoce {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kInterval{100};

thread_local const std::function<void()>* check_of_thread = nullptr;
thread_local Clock::time_point last_check;

}  // namespace

Interruptible::Interruptible(std::function<void()> check)
    : check_(std::move(check)), before_(std::exchange(check_of_thread, &check_)) {}

Interruptible::~Interruptible() { check_of_thread = before_; }

void check_interruption() {
  check_cancellation();
  if (check_of_thread == nullptr) return;
  const Clock::time_point now = Clock::now();
  if (now - last_check < kInterval) return;
  last_check = now;
  (*check_of_thread)();
}

}  // namespace sottovoce
