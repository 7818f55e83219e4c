#include <eddy/sim/provided_buffers.h>

#include <algorithm>

namespace eddy::sim {

ProvidedBuffers::ProvidedBuffers(const uring::BufferRingRegistration& registration)
    : ring_(reinterpret_cast<io_uring_buf_ring*>(registration.ring_address)),
      mask_(registration.entries - 1),
      group_(registration.group),
      incremental_((registration.flags & uring::kBufferRingIncremental) != 0),
      in_ring_(UINT16_MAX + 1) {}

bool ProvidedBuffers::pick(size_t most, iovec& room) {
  look_at_new();
  if (head_ == seen_) return false;
  const io_uring_buf& buffer = entry(head_);
  room.iov_base = reinterpret_cast<void*>(buffer.addr);
  room.iov_len = most == 0 ? buffer.len : std::min<size_t>(most, buffer.len);
  return true;
}

uint32_t ProvidedBuffers::fill(size_t count) {
  io_uring_buf& buffer = entry(head_);
  const uint32_t flags = IORING_CQE_F_BUFFER | static_cast<uint32_t>(buffer.bid)
                                                   << IORING_CQE_BUFFER_SHIFT;
  if (incremental_) {
    // Linux keeps its place in the program's own memory.
    buffer.addr += count;
    buffer.len -= static_cast<uint32_t>(count);
    if (buffer.len != 0) return flags | uring::kCompletionBufferMore;
  }
  in_ring_[buffer.bid] = false;
  ++head_;
  return flags;
}

// Linux would take whatever lies there; a program that handed a buffer over twice has two owners
// for its bytes.
void ProvidedBuffers::look_at_new() {
  const uint16_t tail = __atomic_load_n(&ring_->tail, __ATOMIC_ACQUIRE);
  if (static_cast<uint16_t>(tail - head_) > mask_ + 1) {
    mistake_ = "a provided buffer ring's tail is more than its size ahead of its head";
  }
  for (; seen_ != tail; ++seen_) {
    const uint16_t number = entry(seen_).bid;
    if (in_ring_[number]) {
      mistake_ = "buffer " + std::to_string(number) + " was provided while it was provided";
    }
    in_ring_[number] = true;
  }
}

}  // namespace eddy::sim
