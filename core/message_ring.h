// The memory that messages are received into: a piece for each.
//
// What it is: a BufferRing of its own, whose segments are as large as the largest message with its
// name and its control messages, and each of which holds one message. It is made when it is first
// needed. Threads: the reactor's alone.
#pragma once

#include <eddy/core/buffer_ring.h>
#include <eddy/core/message.h>

#include <algorithm>

namespace eddy {

class MessageRing {
 public:
  // io_uring puts a header, the name and the control messages before the bytes; all in as much room
  // as may be needed (io_uring_prep_recvmsg_multishot(3)).
  static constexpr size_t kMostBeforeBytes = 16 + kMessageNameBytes + kMessageControlBytes;

  MessageRing(Kernel& kernel, const MessageBufferOptions& options)
      : kernel_(kernel), options_(options) {}

  // Makes it, unless it is there. 0 or -ENOMEM.
  int open();
  bool is_open() const { return ring_ != nullptr; }
  BufferRing& pieces() const { return *ring_; }
  // What a message's bytes may take of a piece.
  size_t room_for(const MessageInterest& interest) const {
    return std::min<size_t>(ring_->options().segment_bytes - kMostBeforeBytes,
                            interest.message_bytes);
  }

 private:
  Kernel& kernel_;
  const MessageBufferOptions options_;
  BufferRing::Owner ring_;
};

}  // namespace eddy
