// The exceptions that the core throws on purpose (memory can still run out: std::bad_alloc). Python
// sees ShapeError as a ValueError, LoadError as a RuntimeError, StateError as a RuntimeError.
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

}  // namespace sottovoce
