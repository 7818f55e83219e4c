// How messages, and the descriptors with them, go from one Unix socket to another.
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/local_socket.h>
#include <eddy/sim/simulation.h>
#include <string.h>
#include <sys/un.h>

#include <algorithm>

namespace eddy::sim {
namespace {

// What a message takes of the send buffer besides its bytes, in about the amount of Linux's
// sk_buff.
constexpr size_t kMessageOverhead = 768;
constexpr size_t kMostStreamPart = 32'768;
constexpr size_t kMostRights = 253;  // SCM_MAX_FD

std::string gather_all(const msghdr& message) {
  std::string bytes(size_of(message.msg_iov, message.msg_iovlen), '\0');
  gather(message.msg_iov, message.msg_iovlen, bytes.data(), bytes.size());
  return bytes;
}

ssize_t end_of_input(msghdr& message) {
  message.msg_flags = 0;
  message.msg_namelen = 0;
  message.msg_controllen = 0;
  return 0;
}

}  // namespace

ssize_t LocalSocket::send(const msghdr& message, int flags) {
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  std::vector<FileRef> rights;
  if (const int failed = read_rights(message, rights); failed != 0) return failed;
  return is_stream() ? send_stream(message, std::move(rights))
                     : send_datagram(message, std::move(rights));
}

ssize_t LocalSocket::send_stream(const msghdr& message, std::vector<FileRef> rights) {
  if (message.msg_namelen != 0) return state_ == State::kConnected ? -EISCONN : -EOPNOTSUPP;
  if (state_ != State::kConnected) return -ENOTCONN;
  if (shut_for_sending_) return -EPIPE;

  std::string bytes = gather_all(message);
  if (bytes.size() > 1 && simulation_.strikes(Fault::kShortSend, host_)) {
    bytes.resize(1 + simulation_.tape.draw(bytes.size() - 1));
    // Who saw a short write waits for room: there must be a moment at which it comes.
    simulation_.after(1000, [sender = std::weak_ptr(self())] {
      if (const Ref socket = sender.lock()) socket->wake(POLLOUT);
    });
  }
  const Ref peer = peer_.lock();
  const size_t part = std::min(kMostStreamPart, send_capacity() / 2 - 64);
  size_t sent = 0;
  while (sent < bytes.size() && unread_cost_ < send_capacity()) {
    const size_t count = std::min(part, bytes.size() - sent);
    deliver(*peer, bytes.substr(sent, count), std::exchange(rights, {}));
    sent += count;
  }
  return sent != 0 || bytes.empty() ? static_cast<ssize_t>(sent) : -EAGAIN;
}

LocalSocket::Ref LocalSocket::datagram_target(const msghdr& message, int& error) {
  if (message.msg_namelen != 0 && !has_connections()) {
    std::string name;
    error =
        parse_local_name(static_cast<const sockaddr*>(message.msg_name), message.msg_namelen, name);
    return error == 0 ? find(name, error) : nullptr;
  }
  if (state_ != State::kConnected) {
    error = -ENOTCONN;
    return nullptr;
  }
  if (error_ != 0 || shut_for_sending_) {
    error = error_ != 0 ? take_error() : -EPIPE;
    return nullptr;
  }
  Ref target = peer_.lock();
  if (target == nullptr) {
    // It closed. This is told once; from then on there is no peer.
    state_ = State::kUnconnected;
    error = -ECONNREFUSED;
  }
  return target;
}

ssize_t LocalSocket::send_datagram(const msghdr& message, std::vector<FileRef> rights) {
  int error = 0;
  const Ref target = datagram_target(message, error);
  if (target == nullptr) return error;
  std::string bytes = gather_all(message);
  if (bytes.size() > send_capacity() - 32) return -EMSGSIZE;
  if (shut_for_sending_) return -EPIPE;
  if (unread_cost_ >= send_capacity()) return -EAGAIN;
  if (target->state_ == State::kConnected && !target->has_peer(*this)) return -EPERM;
  if (target->shut_for_receiving_) return -EPIPE;
  if (target->is_full_for(*this)) {
    // Who is not connected to it is not told when it has room (unix_dgram_sendmsg).
    if (has_peer(*target)) wait_for_room(*target);
    return -EAGAIN;
  }
  const auto size = static_cast<ssize_t>(bytes.size());
  deliver(*target, std::move(bytes), std::move(rights));
  return size;
}

void LocalSocket::deliver(LocalSocket& to, std::string bytes, std::vector<FileRef> rights) {
  const size_t cost = bytes.size() + kMessageOverhead;
  unread_cost_ += cost;
  to.received_.push_back({.bytes = std::move(bytes),
                          .rights = std::move(rights),
                          .source = name_,
                          .sender = self(),
                          .cost = cost});
  to.wake(POLLIN);
}

ssize_t LocalSocket::receive(msghdr& message, int flags) {
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  return is_stream() ? receive_stream(message, flags) : receive_datagram(message, flags);
}

ssize_t LocalSocket::receive_stream(msghdr& message, int flags) {
  if (state_ != State::kConnected) return -EINVAL;
  if (received_.empty()) {
    if (error_ != 0) return take_error();
    return shut_for_receiving_ ? end_of_input(message) : -EAGAIN;
  }
  const bool peeks = (flags & MSG_PEEK) != 0;
  const size_t room = size_of(message.msg_iov, message.msg_iovlen);
  std::string bytes;
  std::vector<FileRef> rights;
  // Messages flow into one another, up to one that descriptors came with.
  size_t at = 0;
  do {
    Message& next = received_[at];
    const size_t count = std::min(next.left(), room - bytes.size());
    bytes.append(next.bytes, next.taken, count);
    rights = peeks ? next.rights : std::exchange(next.rights, {});
    if (peeks) {
      ++at;
    } else {
      next.taken += count;
      if (next.left() != 0) break;
      drop_message();
    }
  } while (rights.empty() && bytes.size() < room && at < received_.size());
  write_message(message, bytes, peer_name_, rights);
  return static_cast<ssize_t>(bytes.size());
}

ssize_t LocalSocket::receive_datagram(msghdr& message, int flags) {
  if (type_ == SOCK_SEQPACKET && state_ != State::kConnected) return -ENOTCONN;
  if (error_ != 0) return take_error();
  if (received_.empty()) {
    // A datagram socket that was shut tells its end only to who would have waited.
    const bool may_wait = blocks() && (flags & MSG_DONTWAIT) == 0;
    const bool ends = shut_for_receiving_ && (type_ == SOCK_SEQPACKET || may_wait);
    return ends ? end_of_input(message) : -EAGAIN;
  }
  Message& next = received_.front();
  const size_t size = next.bytes.size();
  // The name that the sender has by now, as Linux gives it.
  const Ref sender = next.sender.lock();
  const std::string& source = sender != nullptr ? sender->name_ : next.source;
  const size_t taken = write_message(message, next.bytes, source, next.rights);
  if (taken < size) message.msg_flags |= MSG_TRUNC;
  if ((flags & MSG_PEEK) == 0) drop_message();
  return static_cast<ssize_t>((flags & MSG_TRUNC) != 0 ? size : taken);
}

void LocalSocket::drop_message() {
  const Message message = std::move(received_.front());
  received_.pop_front();
  refund(message);
  if (!is_stream()) room_came();
}

void LocalSocket::refund(const Message& message) {
  const Ref sender = message.sender.lock();
  if (sender == nullptr) return;
  sender->unread_cost_ -= message.cost;
  if (4 * sender->unread_cost_ <= sender->send_capacity()) sender->wake(POLLOUT);
}

// The bytes, where they came from, and what came with them. How many bytes there was room for.
size_t LocalSocket::write_message(msghdr& message, const std::string& bytes,
                                  const std::string& source, const std::vector<FileRef>& rights) {
  message.msg_flags = 0;
  if (message.msg_name != nullptr) {
    if (source.empty()) {
      message.msg_namelen = 0;
    } else {
      store_local_name(source, static_cast<sockaddr*>(message.msg_name), &message.msg_namelen);
    }
  }
  write_rights(message, rights);
  return scatter(message.msg_iov, message.msg_iovlen, bytes.data(), bytes.size());
}

int LocalSocket::read_rights(const msghdr& message, std::vector<FileRef>& rights) const {
  msghdr walk = message;
  for (cmsghdr* header = CMSG_FIRSTHDR(&walk); header != nullptr;
       header = CMSG_NXTHDR(&walk, header)) {
    if (header->cmsg_len < CMSG_LEN(0)) return -EINVAL;
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type != SCM_RIGHTS) return -EINVAL;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (rights.size() + count > kMostRights) return -EINVAL;
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      FileRef file = host_.file(fd);
      if (file == nullptr) return -EBADF;
      rights.push_back(std::move(file));
    }
  }
  return 0;
}

// What there is no room for, or no descriptor, is closed: MSG_CTRUNC.
void LocalSocket::write_rights(msghdr& message, const std::vector<FileRef>& rights) {
  const size_t room = message.msg_control != nullptr ? message.msg_controllen : 0;
  message.msg_controllen = 0;
  if (rights.empty()) return;
  const size_t fits = room > CMSG_LEN(0) ? (room - CMSG_LEN(0)) / sizeof(int) : 0;
  auto* control = static_cast<unsigned char*>(message.msg_control);
  size_t written = 0;
  while (written < std::min(fits, rights.size())) {
    const int fd = host_.install(rights[written]);
    if (fd < 0) break;
    memcpy(control + CMSG_LEN(written * sizeof fd), &fd, sizeof fd);
    ++written;
  }
  if (written < rights.size()) message.msg_flags |= MSG_CTRUNC;
  if (written == 0) return;
  cmsghdr header = {};
  header.cmsg_level = SOL_SOCKET;
  header.cmsg_type = SCM_RIGHTS;
  header.cmsg_len = CMSG_LEN(written * sizeof(int));
  memcpy(control, &header, sizeof header);
  message.msg_controllen = std::min(room, CMSG_SPACE(written * sizeof(int)));
}

}  // namespace eddy::sim
