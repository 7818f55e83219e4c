#include <eddy/sim/host_kernel.h>
#include <eddy/sim/tcp_socket.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>  // not netinet/tcp.h, whose tcp_info is older
#include <netinet/in.h>
#include <string.h>

#include <algorithm>

namespace eddy::sim {
namespace {

// tcp_states.h, and TCP_CA_NAME_MAX.
constexpr uint8_t kEstablished = 1;
constexpr uint8_t kSynSent = 2;
constexpr uint8_t kClosed = 7;
constexpr uint8_t kListening = 10;
constexpr size_t kLongestAlgorithm = 16;

}  // namespace

TcpSocket::TcpSocket(HostKernel& host, sa_family_t family)
    : host_(host), family_(family), options_(family, SOCK_STREAM) {
  if (host.send_buffer_bytes != 0) options_.put(SOL_SOCKET, SO_SNDBUF, host.send_buffer_bytes);
  if (host.receive_buffer_bytes != 0) {
    options_.put(SOL_SOCKET, SO_RCVBUF, host.receive_buffer_bytes);
  }
}

// tcp(7): most options are inherited.
TcpSocket::TcpSocket(const TcpSocket& listener, std::shared_ptr<TcpConnection> connection)
    : host_(listener.host_),
      family_(listener.family_),
      options_(listener.options_),
      connection_(std::move(connection)),
      accepted_(true) {
  side().socket = this;
  local_ = side().name;
  send_buffer_is_set_ = listener.send_buffer_is_set_;
  established();
}

TcpSocket::~TcpSocket() {
  if (claimed_) host_.simulation().network->release(*this);
  // Whoever waits to be accepted is told that nobody will.
  for (const auto& connection : waiting_) connection->orphan(connection->sides[1], true);
  if (connection_ == nullptr) return;
  connection_->orphan(side(), options_.number(SOL_SOCKET, SO_LINGER) == 0);
}

// tcp_poll in net/ipv4/tcp.c.
uint32_t TcpSocket::readiness() {
  if (listening_) return waiting_.empty() ? 0 : POLLIN | POLLRDNORM;
  uint32_t ready = notifications_.empty() ? 0 : POLLERR;
  if (connection_ == nullptr) return ready | POLLOUT | POLLWRNORM | POLLHUP;
  TcpSide& mine = side();
  if (mine.error != 0) ready |= POLLERR;
  if (!mine.established && !mine.dead) return ready;
  const bool reads_ended = mine.dead || mine.fin_received || mine.shut_for_receiving;
  if (reads_ended && (mine.dead || mine.shut_for_sending)) ready |= POLLHUP;
  if (reads_ended) ready |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (has_readable_bytes(mine)) ready |= POLLIN | POLLRDNORM;
  if (mine.urgent_at && !mine.urgent_is_read) ready |= POLLPRI;
  const size_t used = mine.to_send.size() + mine.in_flight;
  const bool has_space = used < mine.send_capacity && (mine.send_capacity - used) * 2 >= used;
  if (mine.dead || mine.shut_for_sending || has_space) {
    ready |= POLLOUT | POLLWRNORM;
  } else {
    mine.wants_space = true;
  }
  return ready;
}

// --- Names

int TcpSocket::bind(const sockaddr* address, socklen_t length) {
  Name name;
  if (const int failed = Name::parse(address, length, name); failed < 0) return failed;
  if (claimed_ || connection_ != nullptr) return -EINVAL;
  if (family_ == AF_INET && name.family != AF_INET) return -EAFNOSUPPORT;
  const bool ours = name.is_any() || name.is_loopback() ||
                    host_.simulation().network->find(host_, name) == &host_;
  if (!ours) return -EADDRNOTAVAIL;
  if (const int failed = host_.simulation().network->claim(host_, name, *this,
                                                           options_.flag(SOL_SOCKET, SO_REUSEADDR),
                                                           options_.flag(SOL_SOCKET, SO_REUSEPORT));
      failed < 0) {
    return failed;
  }
  claimed_ = true;
  local_ = name;
  return 0;
}

int TcpSocket::local_name(sockaddr* address, socklen_t* length) {
  Name name = local_;
  if (name.family == AF_UNSPEC) name.family = family_;
  name.store(family_, address, length);
  return 0;
}

int TcpSocket::peer_name(sockaddr* address, socklen_t* length) {
  if (connection_ == nullptr || !side().established || side().dead) return -ENOTCONN;
  connection_->other(side()).name.store(family_, address, length);
  return 0;
}

// --- Listening

int TcpSocket::listen(int backlog) {
  if (connection_ != nullptr) return -EINVAL;
  if (!claimed_) {
    Name any;
    any.family = family_;
    if (const int failed = host_.simulation().network->claim(host_, any, *this, false, false);
        failed < 0) {
      return failed;
    }
    claimed_ = true;
    local_ = any;
  }
  constexpr int kSomaxconn = 4096;  // net.core.somaxconn
  backlog_ = static_cast<size_t>(backlog < 0 || backlog > kSomaxconn ? kSomaxconn : backlog);
  listening_ = true;
  host_.simulation().network->set_listening(*this, true);
  return 0;
}

void TcpSocket::offer(std::shared_ptr<TcpConnection> connection) {
  waiting_.push_back(std::move(connection));
  wake(POLLIN | POLLRDNORM);
}

FileRef TcpSocket::accept(int& error) {
  error = !listening_ ? -EINVAL : waiting_.empty() ? -EAGAIN : 0;
  if (error != 0) return nullptr;
  auto connection = std::move(waiting_.front());
  waiting_.pop_front();
  return std::make_shared<TcpSocket>(*this, std::move(connection));
}

// --- Connecting

int TcpSocket::connect(const sockaddr* address, socklen_t length) {
  if (length >= sizeof(sa_family_t) && address->sa_family == AF_UNSPEC) return disconnect();
  if (listening_) return -EISCONN;
  if (connection_ != nullptr) {
    TcpSide& mine = side();
    if (!mine.established && !mine.dead) return -EALREADY;
    if (mine.established) return std::exchange(told_connected_, true) || accepted_ ? -EISCONN : 0;
    // The last attempt has failed; the next call may try again.
    const int error = std::exchange(mine.error, 0);
    connection_->orphan(mine, false);
    connection_.reset();
    return error != 0 ? -error : -ECONNABORTED;
  }
  Name name;
  if (const int failed = Name::parse(address, length, name); failed < 0) return failed;
  if (family_ == AF_INET && name.family != AF_INET) return -EAFNOSUPPORT;
  Simulation& simulation = host_.simulation();
  if (simulation.strikes(Fault::kConnectNoPort, host_)) return -EADDRNOTAVAIL;
  if (!claimed_) {
    Name local;
    local.family = name.family;
    if (const int failed = simulation.network->claim(host_, local, *this, false, false);
        failed < 0) {
      return -EADDRNOTAVAIL;  // connect(2): no ephemeral port is left
    }
    claimed_ = true;
    local_ = local;
  }
  if (name.is_for_many()) return -ENETUNREACH;  // tcp_v4_connect in net/ipv4/tcp_ipv4.c
  if (name.is_any()) name.ip[name.family == AF_INET ? 0 : 15] = name.family == AF_INET ? 127 : 1;
  if (name.family == AF_INET && name.ip == std::array<uint8_t, 16>{127}) name.ip[3] = 1;
  if (local_.is_any()) {
    const uint16_t port = local_.port;
    local_ = name.is_loopback() ? name : host_.address();
    local_.port = port;
  }
  connection_ = std::make_shared<TcpConnection>(simulation, simulation.network->next_connection());
  simulation.network->enlist(connection_);
  TcpSide& mine = side();
  TcpSide& theirs = connection_->sides[1];
  mine.host = &host_;
  mine.name = local_;
  mine.socket = this;
  adopt_options(mine);
  theirs.host = simulation.network->find(host_, name);
  theirs.name = name;
  simulation.note(host_, "tcp connect",
                  {static_cast<int64_t>(connection_->number()), local_.port, name.port});
  const bool unreachable = simulation.strikes(Fault::kConnectUnreachable, host_);
  const bool refused = simulation.strikes(Fault::kConnectRefused, host_);
  if (unreachable || refused) {
    const int error = refused                        ? ECONNREFUSED
                      : simulation.tape.draw(2) == 0 ? EHOSTUNREACH
                                                     : ENETUNREACH;
    simulation.after(1'000'000, [kept = connection_, error] { kept->fail(error); });
  } else {
    connection_->send_syn(0);
  }
  return -EINPROGRESS;
}

// tcp_disconnect in net/ipv4/tcp.c: a reset, and the socket is as it was before.
int TcpSocket::disconnect() {
  if (listening_) return shutdown(SHUT_RD);
  if (connection_ == nullptr) return 0;
  if (side().established) connection_->send_reset(side());
  connection_->orphan(side(), true);
  connection_.reset();
  accepted_ = told_connected_ = false;
  return 0;
}

void TcpSocket::notify(const InPlaceSend& send) {
  notifications_.add(send.number, send.was_copied);
  wake(POLLERR);
}

// What getsockopt(2) shows is double the room for bytes: the kernel's accounting takes as much
// (socket(7), SO_SNDBUF).
void TcpSocket::adopt_options(TcpSide& mine) const {
  mine.send_capacity = static_cast<size_t>(options_.number(SOL_SOCKET, SO_SNDBUF)) / 2;
  mine.receive_capacity = static_cast<size_t>(options_.number(SOL_SOCKET, SO_RCVBUF)) / 2;
}

// tcp_init_buffer_space in net/ipv4/tcp_input.c: ten segments, with their overhead, in flight and
// as many waiting. Loopback's are of 64 KiB, Ethernet's of 1460 bytes.
void TcpSocket::established() {
  if (!send_buffer_is_set_ && host_.send_buffer_bytes == 0) {
    constexpr int kOnLoopback = 2'626'560;
    constexpr int kOnEthernet = 87'040;
    const bool is_loopback = connection_->other(side()).host == &host_;
    options_.put(SOL_SOCKET, SO_SNDBUF, is_loopback ? kOnLoopback : kOnEthernet);
  }
  adopt_options(side());
}

int TcpSocket::shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  if (listening_) {
    if (how == SHUT_WR) return 0;
    host_.simulation().network->set_listening(*this, false);
    listening_ = false;
    wake(POLLIN | POLLHUP);
    return 0;
  }
  if (connection_ == nullptr || !side().established || side().dead) return -ENOTCONN;
  TcpSide& mine = side();
  if (how != SHUT_WR) mine.shut_for_receiving = true;
  if (how != SHUT_RD && !mine.shut_for_sending) connection_->send_fin(mine);
  // Everybody, whatever they wait for: inet_shutdown in net/ipv4/af_inet.c.
  wake(POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | POLLHUP);
  return 0;
}

// --- Bytes

// tcp_recvmsg_locked in net/ipv4/tcp.c: what has arrived, then the error, once, then the end.
ssize_t TcpSocket::receive(msghdr& message, int flags) {
  const size_t control_room = message.msg_control != nullptr ? message.msg_controllen : 0;
  message.msg_namelen = 0;
  message.msg_controllen = 0;
  message.msg_flags = 0;
  if ((flags & MSG_ERRQUEUE) != 0) return notifications_.receive(message, control_room, family_);
  if (connection_ == nullptr || listening_) return -ENOTCONN;
  if ((flags & MSG_OOB) != 0) return receive_urgent(message, flags);
  TcpSide& mine = side();
  const size_t room = size_of(message.msg_iov, message.msg_iovlen);
  if (!mine.received.empty()) {
    if (room == 0) return 0;
    if (const ssize_t size = receive_bytes(message, flags, room); size != 0) return size;
  }
  if (mine.fin_received) return 0;
  if (mine.error != 0) return -std::exchange(mine.error, 0);
  return mine.dead || mine.shut_for_receiving ? 0 : -EAGAIN;
}

// A read ends before the urgent byte. The next one begins with it, or without it unless it is asked
// for in line (SO_OOBINLINE); that may leave nothing.
ssize_t TcpSocket::receive_bytes(const msghdr& message, int flags, size_t room) {
  TcpSide& mine = side();
  const bool at_urgent = mine.urgent_at == 0U;
  const size_t skipped = at_urgent && !options_.flag(SOL_SOCKET, SO_OOBINLINE) ? 1 : 0;
  size_t size = std::min(room, mine.received.size() - skipped);
  if (mine.urgent_at && !at_urgent) size = std::min(size, *mine.urgent_at);
  scatter(message.msg_iov, message.msg_iovlen, mine.received.data() + skipped, size);
  if ((flags & MSG_PEEK) != 0) return static_cast<ssize_t>(size);
  mine.received.drop(skipped + size);
  if (at_urgent) mine.urgent_at.reset();
  if (mine.urgent_at) *mine.urgent_at -= size;
  connection_->window_opened(mine);
  return static_cast<ssize_t>(size);
}

// tcp_recv_urg.
ssize_t TcpSocket::receive_urgent(msghdr& message, int flags) {
  TcpSide& mine = side();
  if (options_.flag(SOL_SOCKET, SO_OOBINLINE) || !mine.urgent_at || mine.urgent_is_read) {
    return -EINVAL;
  }
  if ((flags & MSG_PEEK) == 0) mine.urgent_is_read = true;
  message.msg_flags |= MSG_OOB;
  const char* byte = mine.received.data() + *mine.urgent_at;
  return static_cast<ssize_t>(scatter(message.msg_iov, message.msg_iovlen, byte, 1));
}

// An urgent byte alone is nothing to read, unless it is asked for in line.
bool TcpSocket::has_readable_bytes(const TcpSide& mine) const {
  const bool apart = mine.urgent_at == 0U && !options_.flag(SOL_SOCKET, SO_OOBINLINE);
  return mine.received.size() > (apart ? 1 : 0);
}

// tcp_sendmsg_locked in net/ipv4/tcp.c.
ssize_t TcpSocket::send(const msghdr& message, int flags) {
  if (connection_ == nullptr) return -EPIPE;
  TcpSide& mine = side();
  if (mine.error != 0) return -std::exchange(mine.error, 0);
  if (mine.dead || mine.shut_for_sending) return -EPIPE;
  if (!mine.established) return -EAGAIN;
  size_t size = size_of(message.msg_iov, message.msg_iovlen);
  const size_t used = mine.to_send.size() + mine.in_flight;
  const size_t space = mine.send_capacity - std::min(used, mine.send_capacity);
  if (size == 0) return 0;
  Simulation& simulation = host_.simulation();
  const bool in_place = (flags & MSG_ZEROCOPY) != 0 && options_.flag(SOL_SOCKET, SO_ZEROCOPY);
  if (in_place && simulation.strikes(Fault::kNoMemory, host_)) return -ENOBUFS;
  if (space == 0) {
    mine.wants_space = true;
    return -EAGAIN;
  }
  const bool all_fits = size <= space;
  size = std::min(size, space);
  const bool comes_short = size > 1 && simulation.strikes(Fault::kShortSend, host_);
  if (comes_short) {
    size = 1 + simulation.tape.draw(size - 1);
    // What ran out comes back by itself.
    simulation.after(simulation.tape.between(1'000, 1'000'000), [file = weak_from_this()] {
      if (const auto socket = file.lock()) socket->wake(POLLOUT | POLLWRNORM);
    });
  }
  if (!all_fits || comes_short) mine.wants_space = true;
  char* room = mine.to_send.extend(size);
  gather(message.msg_iov, message.msg_iovlen, room, size);
  if ((flags & MSG_OOB) != 0) mine.urgent_to_send = mine.to_send.size() - 1;
  mine.bytes_sent += size;
  if (in_place) connection_->keep_in_place(mine, message, size);
  connection_->transmit(mine);
  return static_cast<ssize_t>(size);
}

// --- Options

int TcpSocket::get_option(int level, int name, void* value, socklen_t* length) {
  if (level == SOL_SOCKET && name == SO_ERROR) {
    const int error = connection_ == nullptr ? 0 : std::exchange(side().error, 0);
    return SocketOptions::answer(error, value, length);
  }
  if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
    return SocketOptions::answer(listening_ ? 1 : 0, value, length);
  }
  if (level == IPPROTO_TCP && name == TCP_INFO) return connection_info(value, length);
  if (level == SOL_SOCKET && name == SO_MEMINFO) {
    uint32_t memory[SK_MEMINFO_VARS] = {};
    memory[SK_MEMINFO_DROPS] = static_cast<uint32_t>(overflows);
    return SocketOptions::answer(memory, sizeof memory, value, length);
  }
  if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
    char room[kLongestAlgorithm] = {};
    congestion_.copy(room, sizeof room - 1);
    return SocketOptions::answer(room, sizeof room, value, length);
  }
  if (level == SOL_SOCKET && name == SO_BINDTODEVICE) {
    const size_t size = device_.empty() ? 0 : device_.size() + 1;
    return SocketOptions::answer(device_.c_str(), size, value, length);
  }
  return options_.get(level, name, value, length);
}

int TcpSocket::connection_info(void* value, socklen_t* length) {
  tcp_info info = {};
  info.tcpi_state = kClosed;
  if (listening_) {  // tcp_get_info in net/ipv4/tcp.c
    info.tcpi_state = kListening;
    info.tcpi_unacked = static_cast<uint32_t>(waiting_.size());
    info.tcpi_sacked = static_cast<uint32_t>(backlog_);
  }
  if (connection_ == nullptr) return SocketOptions::answer(&info, sizeof info, value, length);
  const TcpSide& theirs = connection_->other(side());
  if (!side().dead) info.tcpi_state = side().established ? kEstablished : kSynSent;
  const bool end_is_under_way = side().shut_for_sending && !theirs.fin_received;
  info.tcpi_unacked = side().in_flight != 0 || end_is_under_way ? 1 : 0;
  info.tcpi_notsent_bytes = static_cast<uint32_t>(side().to_send.size());
  info.tcpi_data_segs_in = side().segments_received;
  info.tcpi_data_segs_out = theirs.segments_received;
  return SocketOptions::answer(&info, sizeof info, value, length);
}

// Which interfaces and which algorithms there are.
int TcpSocket::set_name(int name, const void* value, socklen_t length) {
  const auto* text = static_cast<const char*>(value);
  const std::string wanted(text, strnlen(text, length));
  if (name == SO_BINDTODEVICE) {
    if (!wanted.empty() && wanted != "lo" && wanted != "eth0") return -ENODEV;
    device_ = wanted;
  } else {
    if (wanted != "reno" && wanted != "cubic") return -ENOENT;
    congestion_ = wanted;
  }
  return 0;
}

int TcpSocket::set_option(int level, int name, const void* value, socklen_t length) {
  if ((level == SOL_SOCKET && name == SO_BINDTODEVICE) ||
      (level == IPPROTO_TCP && name == TCP_CONGESTION)) {
    return set_name(name, value, length);
  }
  if (const int failed = options_.set(level, name, value, length); failed < 0) return failed;
  if (level == SOL_SOCKET && name == SO_SNDBUF) send_buffer_is_set_ = true;
  if (connection_ != nullptr && level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF)) {
    adopt_options(side());
  }
  return 0;
}

}  // namespace eddy::sim
