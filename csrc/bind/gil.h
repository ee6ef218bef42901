// The GIL let go while the core works, and taken by who needs it; threads that outlive the program.
//
// CPython before 3.14 ends a thread that asks for the GIL of a program on its way out: pthread_exit
// unwinds the stack, and a destructor on the way, or pybind11's, makes std::terminate of it. Such a
// thread (a daemon) waits here for ever instead, as it does from 3.14 on, and the program ends with
// its own status.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>
#include <utility>

#include <sottovoce/runtime.h>

namespace sottovoce::bind {

// Calls `take`, which takes the GIL, and comes back only if there is one to be had.
template <class Take>
auto take_gil(const Take& take) {
  try {
    return take();
  } catch (...) {  // an unwinding that nothing stops, as long as nobody leaves this place
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

// For a block, or as a call_guard. Meanwhile the core's calls end with what a signal's handler
// raises, in the main thread, and with what the package's check raises (set_interruption_check).
class ReleaseGil {
 public:
  ReleaseGil() : thread_(PyEval_SaveThread()) {}
  ~ReleaseGil() { take(); }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

  static void set_interruption_check(pybind11::object check) {
    interruption_check() = std::move(check);
  }

 private:
  void take() {
    take_gil([this] { PyEval_RestoreThread(thread_); });
  }
  void check() {
    struct Taken {
      explicit Taken(ReleaseGil& owner) : released(owner) { released.take(); }
      ~Taken() { released.thread_ = PyEval_SaveThread(); }
      ReleaseGil& released;
    } const taken(*this);
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    if (interruption_check()) interruption_check()();
  }
  // Never destroyed: a thread may ask when the interpreter is gone.
  static pybind11::object& interruption_check() {
    static auto* const check = new pybind11::object;
    return *check;
  }

  PyThreadState* thread_;
  const Interruptible interruptible_{[this] { check(); }};
};

// For a block on any thread.
class TakeGil {
 public:
  TakeGil() : state_(take_gil([] { return PyGILState_Ensure(); })) {}
  ~TakeGil() { PyGILState_Release(state_); }
  TakeGil(const TakeGil&) = delete;
  TakeGil& operator=(const TakeGil&) = delete;

 private:
  PyGILState_STATE state_;
};

}  // namespace sottovoce::bind
