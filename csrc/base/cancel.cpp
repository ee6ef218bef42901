// Tokens, and those of a thread, the innermost first.
#include <sottovoce/cancel.h>

#include <algorithm>
#include <utility>

#include <sottovoce/error.h>

namespace sottovoce {
namespace {

static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may cancel");

thread_local const Cancellable* innermost = nullptr;

}  // namespace

CancelToken::CancelToken() : cancelled_(std::make_shared<std::atomic<bool>>(false)) {}

CancelToken::CancelToken(Clock::time_point deadline) : CancelToken() { deadline_ = deadline; }

CancelToken CancelToken::with_deadline(Clock::time_point deadline) const {
  CancelToken token = *this;
  token.deadline_ = std::min(deadline_, deadline);
  return token;
}

void CancelToken::cancel() const noexcept { cancelled_->store(true, std::memory_order_release); }

bool CancelToken::is_cancelled() const noexcept {
  return cancelled_->load(std::memory_order_acquire);
}

void CancelToken::check() const {
  if (is_cancelled()) throw CancelledError("cancelled by its token");
  if (deadline_ != Clock::time_point::max() && Clock::now() >= deadline_) {
    throw DeadlineExceededError("its deadline has passed");
  }
}

Cancellable::Cancellable(CancelToken token)
    : token_(std::move(token)), before_(std::exchange(innermost, this)) {}

Cancellable::~Cancellable() { innermost = before_; }

void check_cancellation() {
  for (const Cancellable* each = innermost; each != nullptr; each = each->before_) {
    each->token_.check();
  }
}

}  // namespace sottovoce
