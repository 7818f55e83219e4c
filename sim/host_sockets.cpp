// The calls of a host's kernel about sockets and bytes.
#include <eddy/sim/datagram_socket.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/local_socket.h>
#include <eddy/sim/tcp_socket.h>
#include <string.h>

#include <algorithm>
#include <utility>

namespace eddy::sim {
namespace {

constexpr int kOutOfDescriptors[] = {-EMFILE, -ENFILE};
constexpr int kOutOfMemory[] = {-ENOMEM, -ENOBUFS};
constexpr int kAcceptExhausted[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM};
constexpr int kAcceptAborted[] = {-ECONNABORTED, -EPROTO, -EPERM, -ENETDOWN, -EHOSTUNREACH};

}  // namespace

std::shared_ptr<Socket> HostKernel::find_socket(int fd, int& error) const {
  const FileRef found = file(fd);
  error = found == nullptr ? -EBADF : found->socket() == nullptr ? -ENOTSOCK : 0;
  return error != 0 ? nullptr : std::shared_ptr<Socket>(found, found->socket());
}

// Where a descriptor blocks, until all has gone: send(2).
template <typename Send>
ssize_t HostKernel::blocking_send(const File& file, const iovec* pieces, size_t count,
                                  bool may_block, Send&& send) {
  if (!may_block || !file.blocks()) return send(pieces, count);
  std::vector<iovec> left(pieces, pieces + count);
  const size_t size = size_of(pieces, count);
  size_t sent = 0;
  for (;;) {
    const ssize_t result = blocking(file, true, [&] { return send(left.data(), left.size()); });
    if (result < 0) return sent != 0 ? static_cast<ssize_t>(sent) : result;
    sent += static_cast<size_t>(result);
    if (sent >= size) return static_cast<ssize_t>(sent);
    auto gone = static_cast<size_t>(result);
    for (iovec& piece : left) {
      const size_t part = std::min(gone, piece.iov_len);
      piece = {static_cast<char*>(piece.iov_base) + part, piece.iov_len - part};
      gone -= part;
    }
  }
}

// --- Sockets

int HostKernel::socket(int domain, int type, int protocol) {
  enter_call();
  if (simulation_.strikes(Fault::kNoDescriptors, *this)) {
    return simulation_.tape.any_of<int>(kOutOfDescriptors);
  }
  if (simulation_.strikes(Fault::kNoMemory, *this))
    return simulation_.tape.any_of<int>(kOutOfMemory);
  const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  const auto family = static_cast<sa_family_t>(domain);
  if (kind > SOCK_PACKET) return -EINVAL;
  FileRef made;
  if (domain == AF_UNIX) {
    made = make_local_socket(simulation_, *this, kind);
    if (made == nullptr) return -ESOCKTNOSUPPORT;
  } else if (domain != AF_INET && domain != AF_INET6) {
    return -EAFNOSUPPORT;
  } else if (kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) {
    made = std::make_shared<TcpSocket>(*this, family);
  } else if (kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP)) {
    made = make_datagram_socket(simulation_, *this, domain);
  } else {
    return -EPROTONOSUPPORT;
  }
  return install_with(std::move(made), type);
}

int HostKernel::socketpair(int domain, int type, int /*protocol*/, int descriptors[2]) {
  enter_call();
  if (domain != AF_UNIX) return -EOPNOTSUPP;
  int error = 0;
  auto [first, second] =
      make_socket_pair(simulation_, *this, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), error);
  if (error != 0) return error;
  const int one = install_with(std::move(first), type);
  if (one < 0) return one;
  const int two = install_with(std::move(second), type);
  if (two < 0) {
    close_descriptor(one);
    return two;
  }
  descriptors[0] = one;
  descriptors[1] = two;
  return 0;
}

int HostKernel::bind(int fd, const sockaddr* address, socklen_t length) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->bind(address, length);
}

int HostKernel::listen(int fd, int backlog) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->listen(backlog);
}

int HostKernel::accept_from(Socket& listener, int flags) {
  int error = 0;
  const bool someone_waits = (listener.readiness() & POLLIN) != 0;
  if (someone_waits && simulation_.strikes(Fault::kAcceptExhausted, *this)) {
    return simulation_.tape.any_of<int>(kAcceptExhausted);
  }
  if (someone_waits && open_ + 3 >= descriptor_limit) {
    simulation_.faults.count(Fault::kNoDescriptors);
    return -EMFILE;
  }
  FileRef accepted = listener.accept(error);
  if (accepted == nullptr) return error;
  if (simulation_.strikes(Fault::kAcceptAborted, *this)) {
    // accept(2): the connection was broken before anybody took it.
    if (const auto tcp = std::dynamic_pointer_cast<TcpSocket>(accepted))
      tcp->connection()->break_off();
    return simulation_.tape.any_of<int>(kAcceptAborted);
  }
  const int fd = install_with(std::move(accepted), flags);
  simulation_.note(*this, "accept", {fd});
  return fd;
}

int HostKernel::accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const auto result =
      static_cast<int>(blocking(*socket, true, [&] { return accept_from(*socket, flags); }));
  if (result >= 0 && address != nullptr) {
    *length = file(result)->socket()->peer_name(address, length) < 0 ? 0 : *length;
  }
  return result;
}

int HostKernel::connect(int fd, const sockaddr* address, socklen_t length) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  // -EAGAIN: the backlog of a Unix socket is full.
  const auto result =
      static_cast<int>(blocking(*socket, true, [&] { return socket->connect(address, length); }));
  if (result != -EINPROGRESS || !socket->blocks()) return result;
  const auto waited = simulation_.wait(Simulation::kNever, [&] {
    return (socket->readiness() & (POLLOUT | POLLERR | POLLHUP)) != 0;
  });
  if (waited == Simulation::Waited::kDeadlocked) return -EDEADLK;
  return socket->connect(address, length);
}

int HostKernel::shutdown(int fd, int how) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  simulation_.note(*this, "shutdown", {fd, how});
  return socket == nullptr ? error : socket->shutdown(how);
}

int HostKernel::getsockname(int fd, sockaddr* address, socklen_t* length) {
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->local_name(address, length);
}

int HostKernel::getpeername(int fd, sockaddr* address, socklen_t* length) {
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->peer_name(address, length);
}

int HostKernel::getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->get_option(level, name, value, length);
}

int HostKernel::setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->set_option(level, name, value, length);
}

// --- Bytes

ssize_t HostKernel::recv(int fd, void* data, size_t size, int flags) {
  iovec piece = {data, size};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return recvmsg(fd, &message, flags);
}

ssize_t HostKernel::send(int fd, const void* data, size_t size, int flags) {
  iovec piece = {const_cast<void*>(data), size};  // NOLINT: msghdr serves both directions
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return sendmsg(fd, &message, flags);
}

ssize_t HostKernel::recvmsg(int fd, msghdr* message, int flags) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const msghdr asked = *message;
  const ssize_t result = blocking(*socket, (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) == 0, [&] {
    *message = asked;
    return socket->receive(*message, flags);
  });
  simulation_.note(*this, "recv", {fd, result});
  return result;
}

ssize_t HostKernel::sendmsg(int fd, const msghdr* message, int flags) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  msghdr part = *message;
  const ssize_t result = blocking_send(
      *socket, message->msg_iov, message->msg_iovlen, (flags & MSG_DONTWAIT) == 0,
      [&](const iovec* left, size_t count) {
        part.msg_iov = const_cast<iovec*>(left);  // NOLINT: msghdr serves both directions
        part.msg_iovlen = count;
        const ssize_t sent = socket->send(part, flags);
        // Descriptors go with the first byte, once.
        if (sent > 0) part.msg_controllen = 0;
        return sent;
      });
  simulation_.note(*this, "send", {fd, result});
  return result;
}

// Where a descriptor blocks, for each; with MSG_WAITFORONE for the first alone.
int HostKernel::recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  unsigned received = 0;
  for (; received < count; ++received) {
    mmsghdr& next = messages[received];
    const bool waits =
        (flags & MSG_DONTWAIT) == 0 && (received == 0 || (flags & MSG_WAITFORONE) == 0);
    const msghdr asked = next.msg_hdr;
    const ssize_t result = blocking(*socket, waits, [&] {
      next.msg_hdr = asked;
      return socket->receive(next.msg_hdr, flags);
    });
    if (result >= 0) {
      next.msg_len = static_cast<unsigned>(result);
      continue;
    }
    if (received == 0) return static_cast<int>(result);
    if (result != -EAGAIN) socket->keep_error(static_cast<int>(-result));
    break;
  }
  simulation_.note(*this, "recvmmsg", {fd, received});
  return static_cast<int>(received);
}

// What stops a later one is lost, as Linux has it.
int HostKernel::sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  unsigned sent = 0;
  for (; sent < count; ++sent) {
    mmsghdr& next = messages[sent];
    const ssize_t result = blocking(*socket, (flags & MSG_DONTWAIT) == 0,
                                    [&] { return socket->send(next.msg_hdr, flags); });
    if (result < 0 && sent == 0) return static_cast<int>(result);
    if (result < 0) break;
    next.msg_len = static_cast<unsigned>(result);
  }
  simulation_.note(*this, "sendmmsg", {fd, sent});
  return static_cast<int>(sent);
}

ssize_t HostKernel::read(int fd, void* data, size_t size) {
  enter_call();
  const FileRef found = file(fd);
  if (found == nullptr) return -EBADF;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const ssize_t result = blocking(*found, true, [&] { return found->read(data, size); });
  simulation_.note(*this, "read", {fd, result});
  return result;
}

ssize_t HostKernel::writev(int fd, const iovec* pieces, int count) {
  enter_call();
  const FileRef found = file(fd);
  if (found == nullptr) return -EBADF;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const ssize_t result = blocking_send(
      *found, pieces, static_cast<size_t>(count), true,
      [&](const iovec* left, size_t many) { return found->write(left, static_cast<int>(many)); });
  simulation_.note(*this, "writev", {fd, result});
  return result;
}

}  // namespace eddy::sim
