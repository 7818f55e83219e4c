#include <eddy/core/readiness_io.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <algorithm>
#include <array>

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

namespace {

// Room for exactly so many: CMSG_SPACE would round up, and another one would come.
ssize_t receive_with_descriptors(Turn& turn, Slot& slot, std::span<char> room, bool& in_parts) {
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  iovec piece = {room.data(), room.size()};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_LEN(slot.most_descriptors * sizeof(int));
  const ssize_t count = turn.kernel.recvmsg(slot.fd, &message, MSG_CMSG_CLOEXEC);
  if (count <= 0) return count;
  std::array<int, kMostDescriptors> descriptors;
  size_t arrived = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t size = header->cmsg_len - CMSG_LEN(0);
    memcpy(descriptors.data(), CMSG_DATA(header), size);  // the one that there can be
    arrived = size / sizeof(int);
  }
  const bool truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  in_parts = arrived != 0 || truncated;
  if (!in_parts) return count;
  slot.on_descriptors(std::span(descriptors).first(arrived), truncated);
  return slot.closing ? -EAGAIN : count;
}

// That descriptors came along, and were dropped, the kernel tells by MSG_CTRUNC; only the longer
// call has it, which costs less than a second one that finds nothing.
ssize_t receive_without_descriptors(Turn& turn, const Slot& slot, std::span<char> room,
                                    bool& in_parts) {
  iovec piece = {room.data(), room.size()};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const ssize_t count = turn.kernel.recvmsg(slot.fd, &message, 0);
  in_parts = (message.msg_flags & MSG_CTRUNC) != 0;
  return count;
}

ssize_t read_once(Turn& turn, Slot& slot, std::span<char> room, bool& in_parts) {
  if (slot.is_tcp) return turn.kernel.recv(slot.fd, room.data(), room.size(), 0);
  if (slot.transfer == Transfer::kPlain) {
    return receive_without_descriptors(turn, slot, room, in_parts);
  }
  if (slot.transfer == Transfer::kDescriptors) {
    return receive_with_descriptors(turn, slot, room, in_parts);
  }
  in_parts = true;
  return turn.kernel.read(slot.fd, room.data(), room.size());
}

}  // namespace

ssize_t read_into(Turn& turn, Slot& slot, std::span<char> room, bool& in_parts) {
  for (;;) {
    ++turn.counters.system_calls;
    const ssize_t count = read_once(turn, slot, room, in_parts);
    // A terminal whose other side has gone answers EIO: that is its end of input (pty(7)).
    if (count == -EIO && slot.kind == DescriptorKind::kTerminal) return 0;
    // The end of a pipe that is written to is told of only when its reader has gone.
    if (count == -EBADF && slot.kind == DescriptorKind::kPipe) return -EPIPE;
    if (count != -EINTR) return count;
  }
}

namespace {

ssize_t send_with_descriptors(Turn& turn, Slot& slot, SliceQueue& queue, size_t& asked) {
  const Attachment attachment = slot.attachment();
  iovec pieces[kMostPiecesPerSend];
  const int count =
      queue.gather(pieces, kMostPiecesPerSend, std::min(kMostBytesPerSend, attachment.most_bytes));
  asked = 0;
  for (int i = 0; i < count; ++i) asked += pieces[i].iov_len;
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = static_cast<size_t>(count);
  if (const size_t size = attachment.descriptors.size_bytes(); size != 0) {
    auto* header = reinterpret_cast<cmsghdr*>(control);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), attachment.descriptors.data(), size);
    message.msg_control = control;
    message.msg_controllen = CMSG_LEN(size);
  }
  const ssize_t sent = turn.kernel.sendmsg(slot.fd, &message, MSG_NOSIGNAL);
  if (sent > 0 && !attachment.descriptors.empty()) slot.attachment_sent();
  return sent;
}

ssize_t write_pieces(Turn& turn, Slot& slot, SliceQueue& queue, size_t& asked, int flags) {
  if (slot.transfer == Transfer::kDescriptors) {
    return send_with_descriptors(turn, slot, queue, asked);
  }
  iovec pieces[kMostPiecesPerSend];
  const int count = queue.gather(pieces, kMostPiecesPerSend, kMostBytesPerSend);
  asked = 0;
  for (int i = 0; i < count; ++i) asked += pieces[i].iov_len;
  if (slot.transfer == Transfer::kFile) return turn.kernel.writev(slot.fd, pieces, count);
  const msghdr message = {.msg_name = nullptr,
                          .msg_namelen = 0,
                          .msg_iov = pieces,
                          .msg_iovlen = static_cast<size_t>(count),
                          .msg_control = nullptr,
                          .msg_controllen = 0,
                          .msg_flags = 0};
  return turn.kernel.sendmsg(slot.fd, &message, MSG_NOSIGNAL | flags);
}

}  // namespace

ssize_t write_from(Turn& turn, Slot& slot, SliceQueue& queue, bool& full, int flags) {
  const Slice& first = queue.front();
  const bool one_piece = (first.size() == queue.bytes() || first.size() >= kMostBytesPerSend) &&
                         slot.transfer == Transfer::kPlain;
  for (;;) {
    ++turn.counters.system_calls;
    size_t asked = std::min(first.size(), kMostBytesPerSend);
    const ssize_t written =
        one_piece ? turn.kernel.send(slot.fd, first.data(), asked, MSG_NOSIGNAL | flags)
                  : write_pieces(turn, slot, queue, asked, flags);
    full = written >= 0 ? static_cast<size_t>(written) < asked && slot.is_tcp : written == -EAGAIN;
    if (written != -EINTR) return written;
  }
}

}  // namespace eddy
