// The exceptions that the core throws on purpose (memory can still run out: std::bad_alloc). Python
// sees ShapeError as a ValueError, LoadError and StateError as RuntimeErrors, DeadlineExceededError
// as a TimeoutError.
#pragma once

#include <stdexcept>
#include <string>

namespace sottovoce {

// The base of everything the core throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The caller's mistake: a shape, a dtype or a value. "encode: mel must be (...), got (...)".
class ShapeError : public Error {
 public:
  using Error::Error;
};

// The world's fault: a file or a checkpoint. Names the file or the tensor.
class LoadError : public Error {
 public:
  using Error::Error;
};

// A call that the state of the object does not allow, such as stepping past n_text_ctx.
class StateError : public Error {
 public:
  using Error::Error;
};

// A call that somebody outside has ended (cancel.h): nothing is wrong with it.
class StoppedError : public Error {
 public:
  using Error::Error;
};

class CancelledError : public StoppedError {
 public:
  using StoppedError::StoppedError;
};

class DeadlineExceededError : public StoppedError {
 public:
  using StoppedError::StoppedError;
};

}  // namespace sottovoce
