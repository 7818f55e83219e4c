// SEND, SENDMSG, SEND_ZC and SENDMSG_ZC.
#include <eddy/core/uring_abi.h>
#include <eddy/sim/uring.h>

#include <algorithm>

namespace eddy::sim {
namespace {

// SOCK_SUPPORT_ZC: TCP and UDP.
bool can_send_in_place(Socket& socket) {
  sockaddr_storage name = {};
  socklen_t length = sizeof name;
  return socket.local_name(reinterpret_cast<sockaddr*>(&name), &length) == 0 &&
         name.ss_family != AF_UNIX;
}

// The pieces without their first `skipped` bytes.
void skip_into(std::vector<iovec>& rest, const std::vector<iovec>& pieces, size_t skipped) {
  rest.clear();
  for (const iovec& piece : pieces) {
    const size_t cut = std::min(skipped, piece.iov_len);
    skipped -= cut;
    if (cut == piece.iov_len) continue;
    rest.push_back({static_cast<char*>(piece.iov_base) + cut, piece.iov_len - cut});
  }
}

}  // namespace

// io_send: one call of the socket's. With MSG_WAITALL what is left waits; a part that is the end is
// a failure, so IOSQE_CQE_SKIP_SUCCESS does not hide it.
Uring::Outcome Uring::send(UringRequest& request) {
  Socket* socket = request.target->socket();
  if (socket == nullptr) return done(-ENOTSOCK);
  if (request.is_zero_copy() && !can_send_in_place(*socket)) return done(-EOPNOTSUPP);
  const std::vector<iovec>* pieces = &request.pieces;
  if (request.done != 0) {
    skip_into(rest_, request.pieces, request.done);
    pieces = &rest_;
  }
  msghdr message = request.header;
  message.msg_iov = const_cast<iovec*>(pieces->data());  // NOLINT: msghdr serves both directions
  message.msg_iovlen = pieces->size();
  const bool sends_all = (request.entry.msg_flags & MSG_WAITALL) != 0;
  const int flags = static_cast<int>(request.entry.msg_flags & ~uint32_t{MSG_WAITALL});
  const ssize_t sent = socket->send(message, flags | MSG_NOSIGNAL);
  if (sent == -EAGAIN) return blocked();
  const bool is_part =
      sends_all && sent >= 0 && static_cast<size_t>(sent) < size_of(pieces->data(), pieces->size());
  if (sent > 0) request.done += static_cast<size_t>(sent);
  if (is_part && sent > 0) return blocked();
  Outcome outcome = done(request.done != 0 ? static_cast<ssize_t>(request.done) : sent);
  outcome.failed = sent < 0 || is_part;
  return outcome;
}

}  // namespace eddy::sim
