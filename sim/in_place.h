// What a simulated TCP socket sends in place (MSG_ZEROCOPY), and the notifications in its error
// queue.
//
// Source: Documentation/networking/msg_zerocopy.rst, and net/core/skbuff.c, in Linux.
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <deque>
#include <vector>

namespace eddy::sim {

// The program's bytes, which the kernel may read until they are acknowledged.
struct InPlaceSend {
  uint32_t number;    // of those of its socket
  uint64_t end;       // of its bytes in all that its side has sent
  bool was_copied;    // … after all, as is to be told
  int process;        // whose memory it is
  uint64_t checksum;  // of the bytes as they were
  std::vector<iovec> pieces;

  // What was taken of a message.
  static std::vector<iovec> first_of(const msghdr& message, size_t size);
  bool is_unchanged() const;
};

class NotificationQueue {
 public:
  bool empty() const { return queue_.empty(); }
  // One more has been let go of; told with the one before where the numbers follow each other.
  void add(uint32_t number, bool was_copied);
  // recvmsg(2) with MSG_ERRQUEUE: 0, or -EAGAIN. `room` is that for control messages.
  ssize_t receive(msghdr& message, size_t room, sa_family_t socket_family);

 private:
  struct Notification {
    uint32_t first;
    uint32_t last;
    bool was_copied;
  };
  std::deque<Notification> queue_;
};

}  // namespace eddy::sim
