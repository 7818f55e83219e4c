// A connection on its way from one thread to another: reset if it never arrives.
#pragma once

#include <eddy/core/kernel.h>
#include <eddy/net/stream_internal.h>

#include <utility>

namespace eddy {

class HandedOver {
 public:
  HandedOver(Kernel& kernel, int descriptor) : kernel_(&kernel), descriptor_(descriptor) {}
  HandedOver(HandedOver&& other) noexcept
      : kernel_(other.kernel_), descriptor_(std::exchange(other.descriptor_, -1)) {}
  HandedOver& operator=(HandedOver&&) = delete;
  ~HandedOver() {
    if (descriptor_ < 0) return;
    linger_none(*kernel_, descriptor_);
    kernel_->close(descriptor_);
  }

  int get() const { return descriptor_; }
  void release() { descriptor_ = -1; }  // somebody has it

 private:
  Kernel* kernel_;
  int descriptor_;
};

}  // namespace eddy
