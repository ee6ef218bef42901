// CancelToken, and the block within which this thread's calls heed one.
#include <pybind11/stl.h>

#include <sottovoce/cancel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include <sottovoce/error.h>

#include "bind.h"

namespace sottovoce::bind {
namespace {

// When so many seconds from now are over; a deadline that no clock can tell is none.
CancelToken::Clock::time_point seconds_from_now(double seconds) {
  if (std::isnan(seconds)) throw ShapeError("CancelToken: deadline_s must be a number, got nan");
  constexpr double kLongest = 1e9;  // some 30 years
  if (seconds > kLongest) return CancelToken::Clock::time_point::max();
  return CancelToken::Clock::now() + std::chrono::duration_cast<CancelToken::Clock::duration>(
                                         std::chrono::duration<double>(std::max(seconds, 0.0)));
}

// `with Cancellable(token):`, within one thread and without a `yield`.
class CancellableBlock {
 public:
  explicit CancellableBlock(std::optional<CancelToken> token) : token_(std::move(token)) {}
  void enter() {
    if (token_) inside_ = std::make_unique<Cancellable>(*token_);
  }
  void leave() { inside_.reset(); }

 private:
  std::optional<CancelToken> token_;
  std::unique_ptr<Cancellable> inside_;
};

}  // namespace

void bind_cancel(py::module_& module) {
  py::class_<CancelToken>(module, "CancelToken",
                          "Ends the calls that have it, from another thread or at a time.\n\n"
                          "Any number of calls and threads may have one. Once cancelled it stays "
                          "so, and a deadline that has passed stays passed.")
      .def(py::init([](std::optional<double> deadline_s) {
             return deadline_s ? CancelToken(seconds_from_now(*deadline_s)) : CancelToken();
           }),
           py::kw_only(), py::arg("deadline_s") = py::none(),
           "deadline_s: in seconds from now; None: there is none.")
      .def("cancel", &CancelToken::cancel,
           "Ends the calls, a decoder within a step: they raise CancelledError.")
      .def_property_readonly("is_cancelled", &CancelToken::is_cancelled)
      .def("check", &CancelToken::check,
           "Raises CancelledError, or else DeadlineExceededError, if that has come.")
      .def(
          "with_deadline",
          [](const CancelToken& self, double seconds) {
            return self.with_deadline(seconds_from_now(seconds));
          },
          py::arg("seconds"),
          "A token that is cancelled with this one, and ends so many seconds from now, too.");
  py::class_<CancellableBlock>(
      module, "Cancellable",
      "A block in which the calls of this thread heed a token, if there is one; nothing may yield "
      "within it.")
      .def(py::init<std::optional<CancelToken>>(), py::arg("token"))
      .def("__enter__", [](CancellableBlock& self) { self.enter(); })
      .def("__exit__", [](CancellableBlock& self, const py::args&) { self.leave(); });
  module.def("check_cancellation", &check_cancellation,
             "Raises what the tokens that this thread heeds say.");
}

}  // namespace sottovoce::bind
