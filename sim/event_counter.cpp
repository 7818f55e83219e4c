#include <eddy/sim/event_counter.h>
#include <string.h>

namespace eddy::sim {

uint32_t EventCounter::readiness() {
  return (count_ > 0 ? POLLIN : 0u) | (count_ < kMost ? POLLOUT : 0u);
}

ssize_t EventCounter::read(void* data, size_t size) {
  if (size < sizeof count_) return -EINVAL;
  if (count_ == 0) return -EAGAIN;
  memcpy(data, &count_, sizeof count_);
  take();
  return sizeof count_;
}

// Each piece is a write of its own, as for every file of Linux that knows no vectors.
ssize_t EventCounter::write(const iovec* pieces, int count) {
  ssize_t written = 0;
  for (int i = 0; i < count; ++i) {
    uint64_t value;
    int result = -EINVAL;
    if (pieces[i].iov_len >= sizeof value) {
      memcpy(&value, pieces[i].iov_base, sizeof value);
      result = value <= kMost ? add(value) : -EINVAL;
    }
    if (result != 0) return written != 0 ? written : result;
    written += sizeof value;
  }
  return written;
}

int EventCounter::add(uint64_t value) {
  if (value > kMost - count_) return -EAGAIN;
  count_ += value;
  wake(POLLIN);
  return 0;
}

int64_t EventCounter::take() {
  if (count_ == 0) return -EAGAIN;
  const auto count = static_cast<int64_t>(count_);
  count_ = 0;
  wake(POLLOUT);
  return count;
}

}  // namespace eddy::sim
