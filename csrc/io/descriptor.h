// The owner of a file descriptor.
#pragma once

#include <unistd.h>

namespace sottovoce {

class Descriptor {
 public:
  // Takes what open() returned; not open if that was negative.
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (is_open()) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

}  // namespace sottovoce
