// A BufferRing's segments in the kernel's hands: a provided buffer ring.
//
// Segments are handed over by writing to memory that the kernel reads; no system call. Where the
// kernel consumes buffers incrementally (Linux 6.12) a segment serves many receives; where it does
// not, each receive takes a whole one, and the reactor gives the BufferRing smaller segments.
// Source: io_uring_setup_buf_ring(3), io_uring_buf_ring_add(3).
#pragma once

#include <eddy/core/buffer_ring.h>
#include <eddy/core/uring_queue.h>

#include <algorithm>

namespace eddy {

class UringBuffers {
 public:
  static constexpr uint16_t kGroup = 0;
  static constexpr uint16_t kMessageGroup = 1;

  explicit UringBuffers(BufferRing& ring, uint16_t group = kGroup) : ring_(ring), group_(group) {}
  ~UringBuffers();
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;

  // Registers the ring, at the BufferRing's limit of segments. 0 or a negative errno.
  int open(Kernel& kernel, UringQueue& queue, bool incremental);

  // Hands free segments over until as many go round as the BufferRing's options ask for: more would
  // leave the cache. `starved`: none is open, someone waits for one, and none is about to come
  // back; then half as many more go round.
  void replenish(bool starved) {
    const unsigned going_round = ring_.in_use_by_kernel();
    const unsigned few = ring_.options().initial_segments;
    const unsigned wanted = std::max(few, going_round + (starved ? (few + 1) / 2 : 0));
    const unsigned allowed = std::min(wanted, most());
    if (going_round < allowed && ring_.has_free()) hand_over(allowed - going_round);
  }
  // replenish(true) would hand one over.
  bool can_replenish() const { return ring_.has_free() && ring_.in_use_by_kernel() < most(); }
  // The bytes of a completion that names a buffer, in the order of the completion queue.
  Slice take(const UringQueue::Completion& completion) {
    Segment& segment =
        ring_.segment(static_cast<uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT));
    const bool last = !incremental_ || (completion.flags & uring::kCompletionBufferMore) == 0;
    if (last) --open_segments_;
    return ring_.fill(segment, static_cast<size_t>(completion.result), last);
  }
  // Segments with room that the kernel has.
  unsigned open_segments() const { return open_segments_; }

 private:
  void hand_over(unsigned count);
  // Two are left for what is filled by hand, reading and `Stream::reserve`, which could not get
  // them back from the kernel.
  unsigned most() const { return std::max(ring_.options().max_segments, 3U) - 2; }

  BufferRing& ring_;
  const uint16_t group_;
  Kernel* kernel_ = nullptr;
  io_uring_buf_ring* entries_ = nullptr;
  size_t size_ = 0;
  unsigned mask_ = 0;
  uint16_t tail_ = 0;
  unsigned open_segments_ = 0;
  bool incremental_ = false;
};

}  // namespace eddy
