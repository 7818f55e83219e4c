// A provided buffer ring, seen from the kernel's side.
//
// What it is: memory of the program's, to whose tail it adds buffers and from whose head the kernel
// takes them, whole or bit by bit (IOU_PBUF_RING_INC, Linux 6.12). Source:
// io_uring_register_buf_ring(3), io_uring_setup_buf_ring(3).
#pragma once

#include <eddy/core/uring_abi.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <string>
#include <vector>

namespace eddy::sim {

class ProvidedBuffers {
 public:
  explicit ProvidedBuffers(const uring::BufferRingRegistration& registration);

  uint16_t group() const { return group_; }
  // The room of the buffer at the head, cut to `most` bytes (0: not cut). False: the ring is empty.
  bool pick(size_t most, iovec& room);
  // `count` bytes of what `pick` gave are filled, at least one: the completion's flags.
  uint32_t fill(size_t count);
  // What the program did wrong with it, if it did.
  const std::string& mistake() const { return mistake_; }

 private:
  io_uring_buf& entry(uint16_t at) const { return ring_->bufs[at & mask_]; }
  void look_at_new();

  io_uring_buf_ring* ring_;
  unsigned mask_;
  uint16_t group_;
  bool incremental_;
  uint16_t head_ = 0;
  uint16_t seen_ = 0;          // entries before it were looked at
  std::vector<bool> in_ring_;  // by buffer number
  std::string mistake_;
};

}  // namespace eddy::sim
