#include <eddy/sim/host_kernel.h>
#include <eddy/sim/local_names.h>
#include <eddy/sim/local_socket.h>
#include <eddy/sim/simulation.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <algorithm>

namespace eddy::sim {
namespace {

constexpr uint32_t kEverything = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLHUP | POLLERR;
constexpr socklen_t kPathOffset = offsetof(sockaddr_un, sun_path);
constexpr unsigned kMostBacklog = 4096;  // net.core.somaxconn
constexpr size_t kMostDatagrams = 10;    // net.unix.max_dgram_qlen
constexpr ucred kNobody = {.pid = 0, .uid = static_cast<uid_t>(-1), .gid = static_cast<gid_t>(-1)};

}  // namespace

int parse_local_name(const sockaddr* address, socklen_t length, std::string& name) {
  if (length <= kPathOffset || length > sizeof(sockaddr_un)) return -EINVAL;
  if (address->sa_family != AF_UNIX) return -EINVAL;
  const char* path = reinterpret_cast<const char*>(address) + kPathOffset;
  const size_t room = length - kPathOffset;
  name.assign(path, path[0] != '\0' ? strnlen(path, room) : room);
  return 0;
}

void store_local_name(const std::string& name, sockaddr* address, socklen_t* length) {
  sockaddr_un whole = {};
  whole.sun_family = AF_UNIX;
  memcpy(whole.sun_path, name.data(), name.size());
  // A path counts with the zero byte behind it.
  const bool is_path = !name.empty() && name.front() != '\0';
  const auto size = static_cast<socklen_t>(kPathOffset + name.size() + (is_path ? 1 : 0));
  memcpy(address, &whole, std::min({*length, size, socklen_t{sizeof whole}}));
  *length = size;
}

LocalSocket::LocalSocket(Simulation& simulation, HostKernel& host, int type)
    : simulation_(simulation),
      host_(host),
      type_(type),
      options_(AF_UNIX, type),
      credentials_(kNobody) {}

LocalSocket::~LocalSocket() {
  if (owns_name_) host_.local_names.closed(name_);
  for (const Ref& connection : waiting_) connection->never_accepted_ = true;
  waiting_.clear();
  const Ref peer = peer_.lock();
  if (peer != nullptr && has_connections()) {
    peer->shut_for_receiving_ = peer->shut_for_sending_ = true;
    if (!received_.empty() || never_accepted_) peer->error_ = ECONNRESET;
    peer->wake(kEverything);
  }
  for (const Message& message : received_) refund(message);
  room_came();
}

bool LocalSocket::is_stream() const { return type_ == SOCK_STREAM; }

bool LocalSocket::has_connections() const { return type_ != SOCK_DGRAM; }

size_t LocalSocket::send_capacity() const {
  return static_cast<size_t>(options_.number(SOL_SOCKET, SO_SNDBUF));
}

// True for one that is closed by now as well: such a socket hears nobody else.
bool LocalSocket::has_peer(const LocalSocket& socket) const {
  return state_ == State::kConnected && peer_.lock().get() == &socket;
}

bool LocalSocket::is_full_for(const LocalSocket& sender) const {
  return &sender != this && !has_peer(sender) && received_.size() > kMostDatagrams;
}

uint32_t LocalSocket::readiness() {
  uint32_t events = 0;
  if (error_ != 0) events |= POLLERR;
  if (shut_for_receiving_) events |= POLLRDHUP | POLLIN;
  if (shut_for_receiving_ && shut_for_sending_) events |= POLLHUP;
  if (!received_.empty() || !waiting_.empty()) events |= POLLIN;
  if (has_connections() && state_ == State::kUnconnected) events |= POLLHUP;
  if (state_ == State::kListening || 4 * unread_cost_ > send_capacity()) return events;
  const Ref peer = peer_.lock();
  if (!is_stream() && peer != nullptr && peer->is_full_for(*this)) {
    wait_for_room(*peer);
    return events;
  }
  return events | POLLOUT;
}

int LocalSocket::bind(const sockaddr* address, socklen_t length) {
  std::string name;
  if (length == kPathOffset && address->sa_family == AF_UNIX) {
    if (!name_.empty()) return 0;
    name = host_.local_names.invent();
  } else if (const int failed = parse_local_name(address, length, name); failed != 0) {
    return failed;
  }
  if (!name_.empty()) return -EINVAL;
  if (host_.files.find(name) != nullptr) return -EADDRINUSE;
  const int failed = host_.local_names.bind(name, self());
  if (failed != 0) return failed;
  name_ = std::move(name);
  owns_name_ = true;
  return 0;
}

int LocalSocket::listen(int backlog) {
  if (!has_connections()) return -EOPNOTSUPP;
  if (name_.empty() || state_ == State::kConnected) return -EINVAL;
  const size_t before =
      std::exchange(backlog_, std::min(static_cast<unsigned>(backlog), kMostBacklog));
  state_ = State::kListening;
  credentials_ = {.pid = host_.process_id(), .uid = host_.user, .gid = 0};
  if (backlog_ > before) room_came();
  return 0;
}

LocalSocket::Ref LocalSocket::find(const std::string& name, int& error) const {
  Ref found = host_.local_names.find(name, error);
  if (found != nullptr && found->type_ != type_) {
    error = -EPROTOTYPE;
    return nullptr;
  }
  return found;
}

int LocalSocket::connect(const sockaddr* address, socklen_t length) {
  if (length < sizeof(sa_family_t)) return -EINVAL;
  if (!has_connections() && address->sa_family == AF_UNSPEC) {
    peer_.reset();
    state_ = State::kUnconnected;
    return 0;
  }
  std::string name;
  if (const int failed = parse_local_name(address, length, name); failed != 0) return failed;
  return has_connections() ? connect_connection(name) : connect_datagrams(name);
}

int LocalSocket::connect_datagrams(const std::string& name) {
  int error = 0;
  const Ref target = find(name, error);
  if (target == nullptr) return error;
  if (target->state_ == State::kConnected && !target->has_peer(*this)) return -EPERM;
  peer_ = target;
  peer_name_ = target->name_;
  state_ = State::kConnected;
  return 0;
}

int LocalSocket::connect_connection(const std::string& name) {
  int error = 0;
  const Ref listener = find(name, error);
  if (listener == nullptr) return error;
  if (listener->state_ != State::kListening || listener->shut_for_receiving_) {
    return -ECONNREFUSED;
  }
  if (listener->waiting_.size() > listener->backlog_) {
    wait_for_room(*listener);
    return -EAGAIN;
  }
  if (state_ != State::kUnconnected) return state_ == State::kConnected ? -EISCONN : -EINVAL;

  const auto accepted = std::make_shared<LocalSocket>(simulation_, host_, type_);
  join(self(), accepted);
  accepted->name_ = listener->name_;
  accepted->peer_name_ = name_;
  peer_name_ = listener->name_;
  credentials_ = listener->credentials_;
  listener->waiting_.push_back(accepted);
  listener->wake(POLLIN);
  return 0;
}

void LocalSocket::join(const Ref& one, const Ref& other) {
  for (const auto& [socket, peer] : {std::pair{one, other}, std::pair{other, one}}) {
    socket->peer_ = peer;
    socket->state_ = State::kConnected;
    socket->credentials_ = {.pid = socket->host_.process_id(), .uid = socket->host_.user, .gid = 0};
  }
}

FileRef LocalSocket::accept(int& error) {
  error = 0;
  if (!has_connections()) {
    error = -EOPNOTSUPP;
  } else if (state_ != State::kListening) {
    error = -EINVAL;
  } else if (waiting_.empty()) {
    error = shut_for_receiving_ ? -EINVAL : -EAGAIN;
  }
  if (error != 0) return nullptr;
  const Ref accepted = std::move(waiting_.front());
  waiting_.pop_front();
  room_came();
  return accepted;
}

int LocalSocket::shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  const bool receiving = how != SHUT_WR;
  const bool sending = how != SHUT_RD;
  shut_for_receiving_ |= receiving;
  shut_for_sending_ |= sending;
  wake(kEverything);
  if (const Ref peer = peer_.lock(); peer != nullptr && has_connections()) {
    peer->shut_for_sending_ |= receiving;
    peer->shut_for_receiving_ |= sending;
    peer->wake(kEverything);
  }
  return 0;
}

int LocalSocket::local_name(sockaddr* address, socklen_t* length) {
  store_local_name(name_, address, length);
  return 0;
}

int LocalSocket::peer_name(sockaddr* address, socklen_t* length) {
  if (state_ != State::kConnected) return -ENOTCONN;
  store_local_name(peer_name_, address, length);
  return 0;
}

int LocalSocket::get_option(int level, int name, void* value, socklen_t* length) {
  if (level != SOL_SOCKET) return options_.get(level, name, value, length);
  switch (name) {
    case SO_ERROR: return SocketOptions::answer(-take_error(), value, length);
    case SO_ACCEPTCONN:
      return SocketOptions::answer(state_ == State::kListening ? 1 : 0, value, length);
    case SO_PEERCRED:
      return SocketOptions::answer(&credentials_, sizeof credentials_, value, length);
    default: return options_.get(level, name, value, length);
  }
}

int LocalSocket::set_option(int level, int name, const void* value, socklen_t length) {
  return options_.set(level, name, value, length);
}

int LocalSocket::take_error() { return -std::exchange(error_, 0); }

// This one is told when `at` has room.
void LocalSocket::wait_for_room(LocalSocket& at) {
  const bool waits = std::any_of(at.senders_.begin(), at.senders_.end(),
                                 [&](const auto& sender) { return sender.lock().get() == this; });
  if (!waits) at.senders_.push_back(self());
}

void LocalSocket::room_came() {
  for (const auto& waiting : std::exchange(senders_, {})) {
    if (const Ref sender = waiting.lock()) sender->wake(POLLOUT);
  }
}

FileRef make_local_socket(Simulation& simulation, HostKernel& host, int type) {
  // As Linux: a raw Unix socket is a datagram socket.
  if (type == SOCK_RAW) type = SOCK_DGRAM;
  if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET) return nullptr;
  return std::make_shared<LocalSocket>(simulation, host, type);
}

std::pair<FileRef, FileRef> make_socket_pair(Simulation& simulation, HostKernel& host, int type,
                                             int& error) {
  const auto one = std::static_pointer_cast<LocalSocket>(make_local_socket(simulation, host, type));
  if (one == nullptr) {
    error = -ESOCKTNOSUPPORT;
    return {};
  }
  auto other = std::static_pointer_cast<LocalSocket>(make_local_socket(simulation, host, type));
  LocalSocket::join(one, other);
  return {one, other};
}

}  // namespace eddy::sim
