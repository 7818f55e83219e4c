// eventfd(2) of the simulated kernel, without EFD_SEMAPHORE.
#pragma once

#include <eddy/sim/file.h>
#include <stdint.h>

namespace eddy::sim {

class EventCounter final : public File {
 public:
  EventCounter() { status_flags = O_RDWR | O_NONBLOCK; }

  uint32_t readiness() override;
  ssize_t read(void* data, size_t size) override;
  ssize_t write(const iovec* pieces, int count) override;

  // 0, or -EAGAIN when the count would exceed its most.
  int add(uint64_t value);
  // The count, which becomes 0; or -EAGAIN.
  int64_t take();

 private:
  static constexpr uint64_t kMost = UINT64_MAX - 1;
  uint64_t count_ = 0;
};

}  // namespace eddy::sim
