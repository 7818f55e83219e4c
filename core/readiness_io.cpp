#include <eddy/core/readiness_io.h>
#include <errno.h>
#include <poll.h>

#include <algorithm>

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

namespace {

ssize_t write_pieces(Turn& turn, const Slot& slot, SliceQueue& queue, size_t& asked) {
  iovec pieces[kMostPiecesPerSend];
  const int count = queue.gather(pieces, kMostPiecesPerSend, kMostBytesPerSend);
  asked = 0;
  for (int i = 0; i < count; ++i) asked += pieces[i].iov_len;
  if (slot.kind != DescriptorKind::kSocket) return turn.kernel.writev(slot.fd, pieces, count);
  const msghdr message = {.msg_name = nullptr,
                          .msg_namelen = 0,
                          .msg_iov = pieces,
                          .msg_iovlen = static_cast<size_t>(count),
                          .msg_control = nullptr,
                          .msg_controllen = 0,
                          .msg_flags = 0};
  return turn.kernel.sendmsg(slot.fd, &message, MSG_NOSIGNAL);
}

}  // namespace

ssize_t write_from(Turn& turn, const Slot& slot, SliceQueue& queue, bool& full) {
  const Slice& first = queue.front();
  const bool one_piece = (first.size() == queue.bytes() || first.size() >= kMostBytesPerSend) &&
                         slot.kind == DescriptorKind::kSocket;
  for (;;) {
    ++turn.counters.system_calls;
    size_t asked = std::min(first.size(), kMostBytesPerSend);
    const ssize_t written = one_piece ? turn.kernel.send(slot.fd, first.data(), asked, MSG_NOSIGNAL)
                                      : write_pieces(turn, slot, queue, asked);
    full = written >= 0 ? static_cast<size_t>(written) < asked && slot.is_tcp : written == -EAGAIN;
    if (written != -EINTR) return written;
  }
}

}  // namespace eddy
