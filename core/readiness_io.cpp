#include <eddy/core/readiness_io.h>
#include <errno.h>
#include <poll.h>

namespace eddy {

uint32_t to_poll_events(Interest interest) {
  return (any(interest & Interest::kReadable) ? uint32_t{POLLIN} : 0) |
         (any(interest & Interest::kWritable) ? uint32_t{POLLOUT} : 0) |
         (any(interest & Interest::kPriority) ? uint32_t{POLLPRI} : 0);
}

Interest from_poll_events(uint32_t events) {
  Interest ready = Interest::kNone;
  if ((events & POLLIN) != 0) ready = ready | Interest::kReadable;
  if ((events & POLLOUT) != 0) ready = ready | Interest::kWritable;
  if ((events & POLLPRI) != 0) ready = ready | Interest::kPriority;
  if ((events & POLLHUP) != 0) ready = ready | Interest::kHangup;
  if ((events & POLLERR) != 0) ready = ready | Interest::kError;
  return ready;
}

ssize_t read_into(Turn& turn, const Slot& slot, std::span<char> room) {
  for (;;) {
    ++turn.counters.system_calls;
    const ssize_t count = slot.kind == DescriptorKind::kSocket
                              ? turn.kernel.recv(slot.fd, room.data(), room.size(), 0)
                              : turn.kernel.read(slot.fd, room.data(), room.size());
    // A terminal whose other side has gone answers EIO: that is its end of input (pty(7)).
    if (count == -EIO && slot.kind == DescriptorKind::kTerminal) return 0;
    // The end of a pipe that is written to is told of only when its reader has gone.
    if (count == -EBADF && slot.kind == DescriptorKind::kPipe) return -EPIPE;
    if (count != -EINTR) return count;
  }
}

ssize_t write_from(Turn& turn, const Slot& slot, SliceQueue& queue, bool& full) {
  iovec pieces[kMostPiecesPerSend];
  const int count = queue.gather(pieces, kMostPiecesPerSend, kMostBytesPerSend);
  size_t asked = 0;
  for (int i = 0; i < count; ++i) asked += pieces[i].iov_len;
  for (;;) {
    ++turn.counters.system_calls;
    ssize_t written = 0;
    if (slot.kind != DescriptorKind::kSocket) {
      written = turn.kernel.writev(slot.fd, pieces, count);
    } else if (count == 1) {
      written = turn.kernel.send(slot.fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
    } else {
      const msghdr message = {.msg_name = nullptr,
                              .msg_namelen = 0,
                              .msg_iov = pieces,
                              .msg_iovlen = static_cast<size_t>(count),
                              .msg_control = nullptr,
                              .msg_controllen = 0,
                              .msg_flags = 0};
      written = turn.kernel.sendmsg(slot.fd, &message, MSG_NOSIGNAL);
    }
    full = written == -EAGAIN || (written >= 0 && static_cast<size_t>(written) < asked);
    if (written != -EINTR) return written;
  }
}

}  // namespace eddy
