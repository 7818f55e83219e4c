// RECV and RECVMSG, once or multishot, into the caller's memory or provided buffers.
#include <eddy/core/poison.h>
#include <eddy/sim/uring.h>
#include <string.h>

#include <algorithm>

namespace eddy::sim {
namespace {

constexpr unsigned kMostInARow = 32;  // MULTISHOT_MAX_RETRY

}  // namespace

// The program poisons what it has provided, and only what was filled is to be readable afterwards:
// so with AddressSanitizer bytes take a way round.
char* Uring::stage(const iovec& room) {
#ifdef EDDY_HAS_ASAN
  if (scratch_.size() < room.iov_len) scratch_.resize(room.iov_len);
  return scratch_.data();
#else
  return static_cast<char*>(room.iov_base);
#endif
}

void Uring::unstage([[maybe_unused]] const iovec& room, [[maybe_unused]] size_t size) {
#ifdef EDDY_HAS_ASAN
  unpoison_memory(room.iov_base, size);
  memcpy(room.iov_base, scratch_.data(), size);
#endif
}

// io_recv and io_recvmsg. A multishot one goes on while the socket has more, or does not tell, and
// then waits.
Uring::Outcome Uring::receive(UringRequest& request) {
  Socket* socket = request.target->socket();
  if (socket == nullptr) return done(-ENOTSOCK);
  if (!request.has_flag(IOSQE_BUFFER_SELECT)) return receive_into_own(request, *socket);
  for (unsigned in_a_row = 1;; ++in_a_row) {
    ProvidedBuffers* buffers = find_buffers(request.entry.buf_group);
    iovec room = {};
    // io_mshot_prep_retry: a length is a limit to the first alone.
    const bool is_limited = !request.pieces.empty() && !request.has_received;
    const size_t most = is_limited ? request.pieces.front().iov_len : 0;
    const bool has_room = buffers != nullptr && buffers->pick(most, room);
    if (buffers != nullptr && !buffers->mistake().empty()) {
      simulation_.violation(host_.name() + ": " + buffers->mistake());
    }
    if (!has_room) return done(-ENOBUFS);
    size_t filled = 0;
    const ssize_t result = receive_into(request, *socket, room, filled);
    if (result == -EAGAIN) return blocked();
    const uint32_t ready = socket->readiness();
    const bool has_more = (ready & POLLIN) != 0 && result >= 0;
    uint32_t flags = has_more && request.tells_more ? IORING_CQE_F_SOCK_NONEMPTY : 0;
    if (filled != 0) flags |= buffers->fill(filled);
    if (result <= 0 || request.got_nothing || !request.multishot ||
        is_limit_reached(request, result) || !post_more(request, static_cast<int>(result), flags)) {
      return done(result, flags);
    }
    request.has_received = true;
    if (request.tells_more && (ready & (POLLIN | POLLERR | POLLHUP)) == 0) return blocked();
    if (in_a_row == kMostInARow) return again();
  }
}

// As on Linux the last receive may go beyond the limit.
bool Uring::is_limit_reached(UringRequest& request, ssize_t result) {
  if (request.allowance == 0) return false;
  request.allowance -= std::min(request.allowance, static_cast<size_t>(result));
  return request.allowance == 0;
}

Uring::Outcome Uring::receive_into_own(UringRequest& request, Socket& socket) {
  msghdr message = request.header;
  iovec rest = {};
  if (request.has_header()) {
    message.msg_iov = request.pieces.data();
    message.msg_iovlen = request.pieces.size();
  } else {
    message = {};
    rest = request.pieces.front();
    rest.iov_base = static_cast<char*>(rest.iov_base) + request.done;
    rest.iov_len -= request.done;
    message.msg_iov = &rest;
    message.msg_iovlen = 1;
  }
  const bool takes_all = (request.entry.msg_flags & MSG_WAITALL) != 0;
  const auto flags = static_cast<int>(request.entry.msg_flags & ~uint32_t{MSG_WAITALL});
  const ssize_t count = socket.receive(message, flags);
  if (count == -EAGAIN) return blocked();
  if (count > 0) request.done += static_cast<size_t>(count);
  const bool is_part = takes_all && count >= 0 && static_cast<size_t>(count) < rest.iov_len;
  if (is_part && count > 0) return blocked();
  if (request.has_header() && count >= 0) {
    auto& header = *reinterpret_cast<msghdr*>(request.entry.addr);
    header.msg_namelen = message.msg_namelen;
    header.msg_controllen = message.msg_controllen;
    header.msg_flags = message.msg_flags;
  }
  const bool more = request.tells_more && count >= 0 && (socket.readiness() & POLLIN) != 0;
  Outcome outcome = done(request.done != 0 ? static_cast<ssize_t>(request.done) : count,
                         more ? IORING_CQE_F_SOCK_NONEMPTY : 0);
  outcome.failed = count < 0 || is_part;
  return outcome;
}

// One receive into a provided buffer. `filled`: bytes of the buffer that are taken.
ssize_t Uring::receive_into(UringRequest& request, Socket& socket, const iovec& room,
                            size_t& filled) {
  if (request.has_header() && request.multishot) {
    return receive_framed(request, socket, room, filled);
  }
  iovec piece = {stage(room), room.iov_len};
  msghdr message = request.has_header() ? request.header : msghdr{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const ssize_t count = socket.receive(message, static_cast<int>(request.entry.msg_flags));
  if (count > 0) {
    filled = std::min(static_cast<size_t>(count), room.iov_len);
    unstage(room, filled);
  }
  if (request.has_header() && count >= 0) {
    auto& header = *reinterpret_cast<msghdr*>(request.entry.addr);
    header.msg_namelen = message.msg_namelen;
    header.msg_controllen = message.msg_controllen;
    header.msg_flags = message.msg_flags;
  }
  return count;
}

// A multishot recvmsg puts an io_uring_recvmsg_out, the name, the control data and then the payload
// into the buffer, each in as much room as the caller's header asked for
// (io_uring_prep_recvmsg(3)).
ssize_t Uring::receive_framed(UringRequest& request, Socket& socket, const iovec& room,
                              size_t& filled) {
  const size_t name_room = request.header.msg_namelen;
  const size_t control_room = request.header.msg_controllen;
  const size_t before = sizeof(io_uring_recvmsg_out) + name_room + control_room;
  if (room.iov_len < before) return -EFAULT;
  char* const base = stage(room);
  iovec piece = {base + before, room.iov_len - before};
  msghdr message = {};
  message.msg_name = name_room == 0 ? nullptr : base + sizeof(io_uring_recvmsg_out);
  message.msg_namelen = static_cast<socklen_t>(name_room);
  message.msg_control = control_room == 0 ? nullptr : base + before - control_room;
  message.msg_controllen = control_room;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const ssize_t count = socket.receive(message, static_cast<int>(request.entry.msg_flags));
  if (count < 0) return count;
  request.got_nothing = count == 0;
  io_uring_recvmsg_out out = {};
  out.namelen = message.msg_namelen;
  out.controllen = static_cast<uint32_t>(message.msg_controllen);
  out.payloadlen = static_cast<uint32_t>(count);
  out.flags = static_cast<uint32_t>(message.msg_flags);
  memcpy(base, &out, sizeof out);
  filled = before + std::min(static_cast<size_t>(count), piece.iov_len);
  unstage(room, filled);
  return static_cast<ssize_t>(filled);
}

}  // namespace eddy::sim
