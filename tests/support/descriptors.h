// Owned descriptors of a test, on whatever it runs.
#pragma once

#include <utility>

#include "machine.h"

namespace eddy::test {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) plain_kernel().close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace eddy::test
