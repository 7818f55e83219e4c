#include <eddy/core/poison.h>
#include <eddy/core/uring_buffers.h>
#include <errno.h>

#include <bit>

namespace eddy {

int UringBuffers::open(Kernel& kernel, UringQueue& queue, bool incremental) {
  kernel_ = &kernel;
  incremental_ = incremental;
  const unsigned count = std::bit_ceil(ring_.options().max_segments);
  mask_ = count - 1;
  size_ = count * sizeof(io_uring_buf);
  entries_ = static_cast<io_uring_buf_ring*>(kernel.map_memory(size_));
  if (entries_ == nullptr) return -ENOMEM;
  uring::BufferRingRegistration registration = {};
  registration.ring_address = reinterpret_cast<uintptr_t>(entries_);
  registration.entries = count;
  registration.group = group_;
  registration.flags = incremental ? uring::kBufferRingIncremental : uint16_t{0};
  return queue.register_with(IORING_REGISTER_PBUF_RING, &registration, 1);
}

UringBuffers::~UringBuffers() {
  if (entries_ != nullptr) kernel_->unmap_memory(entries_, size_);
}

void UringBuffers::hand_over(unsigned count) {
  for (; count != 0; --count) {
    Segment* segment = ring_.take(false);
    if (segment == nullptr) break;
    poison_memory(segment->base, segment->size);
    io_uring_buf& entry = entries_->bufs[tail_++ & mask_];
    entry.addr = reinterpret_cast<uintptr_t>(segment->base);
    entry.len = segment->size;
    entry.bid = segment->id;
    ++open_segments_;
  }
  __atomic_store_n(&entries_->tail, tail_, __ATOMIC_RELEASE);
}

}  // namespace eddy
