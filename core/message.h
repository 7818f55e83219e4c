// Messages: datagrams, and the records of a SOCK_SEQPACKET.
//
// What it is: what a backend hands to a Slot whose descriptor keeps messages apart. Each lies whole
// in a piece of memory of its own, of the reactor's message ring: a message cannot go on in a
// second piece, so pieces are as large as the largest that is expected. Threads: the reactor's
// alone.
#pragma once

#include <eddy/core/slice.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

namespace eddy {

// The memory that messages are received into, made when the first slot of messages is. It is
// address space until it is used; a piece is a page at the least.
struct MessageBufferOptions {
  uint32_t message_bytes = 65'536;  // the longest that arrives whole; at least 512
  unsigned messages = 256;          // that may be held at a time, 8 to 32768
};

// What a slot wants to be told of each message.
struct MessageInterest {
  bool name = true;                     // where it came from
  bool control = false;                 // control messages (cmsg(3)), kMessageControlBytes at most
  uint32_t message_bytes = UINT32_MAX;  // more is cut off, at the piece's size at the latest
  bool operator==(const MessageInterest&) const = default;
};

inline constexpr size_t kMessageNameBytes = 112;  // a sockaddr_un, and what aligns the next
inline constexpr size_t kMessageControlBytes = 256;

// One that arrived. What it points to, except for the bytes, is there for the call alone.
struct ReceivedMessage {
  Slice bytes;
  size_t size = 0;  // its own: more than the bytes if it was cut short
  int flags = 0;    // MSG_TRUNC, MSG_CTRUNC, MSG_EOR (recvmsg(2))
  const sockaddr* name = nullptr;
  socklen_t name_bytes = 0;  // 0: it came without a name, or none was asked for
  const void* control = nullptr;
  size_t control_bytes = 0;
};

}  // namespace eddy
