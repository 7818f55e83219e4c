// One try of an operation that moves no bytes.
#include <eddy/core/uring_abi.h>
#include <eddy/sim/uring.h>

namespace eddy::sim {

Uring::Outcome Uring::attempt(UringRequest& request) {
  switch (request.entry.opcode) {
    case IORING_OP_NOP: return done(0);
    case IORING_OP_ACCEPT: return accept(request);
    case IORING_OP_CONNECT: return connect(request);
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG: return receive(request);
    case IORING_OP_POLL_ADD: return poll(request);
    case IORING_OP_ASYNC_CANCEL: return cancel(request);
    case IORING_OP_CLOSE: {
      const bool is_itself = host_.file(request.entry.fd).get() == this;
      return done(is_itself ? -EBADF : host_.close_descriptor(request.entry.fd));
    }
    case IORING_OP_FILES_UPDATE: return update_files(request);
    default: return send(request);
  }
}

// io_accept: a multishot one goes on until nobody waits.
Uring::Outcome Uring::accept(UringRequest& request) {
  Socket* socket = request.target->socket();
  if (socket == nullptr) return done(-ENOTSOCK);
  for (;;) {
    const int result = host_.accept_from(*socket, static_cast<int>(request.entry.accept_flags));
    if (result == -EAGAIN) return blocked();
    auto* address = reinterpret_cast<sockaddr*>(request.entry.addr);
    if (result >= 0 && address != nullptr) {
      host_.file(result)->socket()->peer_name(address,
                                              reinterpret_cast<socklen_t*>(request.entry.addr2));
    }
    const bool more_wait = (socket->readiness() & POLLIN) != 0;
    const uint32_t flags = more_wait ? IORING_CQE_F_SOCK_NONEMPTY : 0;
    if (result < 0 || !request.multishot || !post_more(request, result, flags)) {
      return done(result, flags);
    }
    if (!more_wait) return blocked();
  }
}

Uring::Outcome Uring::connect(UringRequest& request) {
  Socket* socket = request.target->socket();
  if (socket == nullptr) return done(-ENOTSOCK);
  if (!request.connecting) {
    const int result = socket->connect(reinterpret_cast<const sockaddr*>(&request.name),
                                       static_cast<socklen_t>(request.entry.off));
    request.connecting = result == -EINPROGRESS;
    return request.connecting || result == -EAGAIN ? blocked() : done(result);
  }
  if ((socket->readiness() & request.interest) == 0) return blocked();
  int error = 0;
  socklen_t size = sizeof error;
  socket->get_option(SOL_SOCKET, SO_ERROR, &error, &size);
  return done(-error);
}

Uring::Outcome Uring::poll(UringRequest& request) {
  const uint32_t ready = request.target->readiness() & request.interest;
  return ready != 0 ? done(static_cast<int>(ready)) : blocked();
}

// IORING_OP_FILES_UPDATE: -1 empties a place, IORING_REGISTER_FILES_SKIP leaves it.
Uring::Outcome Uring::update_files(UringRequest& request) {
  const io_uring_sqe& entry = request.entry;
  const auto* descriptors = reinterpret_cast<const int*>(entry.addr);
  if (files_.empty()) return done(-ENXIO);
  if (entry.len == 0 || entry.off + entry.len > files_.size()) return done(-EINVAL);
  int updated = 0;
  for (uint32_t i = 0; i < entry.len; ++i, ++updated) {
    if (descriptors[i] == IORING_REGISTER_FILES_SKIP) continue;
    FileRef file = descriptors[i] < 0 ? nullptr : host_.file(descriptors[i]);
    const bool is_bad = descriptors[i] != -1 && (file == nullptr || file.get() == this);
    if (is_bad) return done(updated != 0 ? updated : -EBADF);
    files_[entry.off + i] = std::move(file);
  }
  return done(updated);
}

}  // namespace eddy::sim
