#include <eddy/sim/datagram_socket.h>
#include <eddy/sim/host_kernel.h>
#include <linux/sock_diag.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace eddy::sim {
namespace {

constexpr uint32_t kEverything = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLHUP | POLLERR;
constexpr size_t kMostSegments = 128;  // UDP_MAX_SEGMENTS
constexpr uint16_t kFirstEphemeral = 32768;
constexpr uint16_t kEphemerals = 60999 - 32768 + 1;

size_t most_bytes(const Name& destination) {
  return destination.family == AF_INET ? 65'535 - 20 - 8 : 65'535 - 8;
}

Name loopback(sa_family_t family) {
  Name name;
  name.family = family;
  if (family == AF_INET) {
    name.ip[0] = 127;
    name.ip[3] = 1;
  } else {
    name.ip[15] = 1;
  }
  return name;
}

}  // namespace

bool DatagramSocket::is_broadcast(const Name& name) {
  return name.family == AF_INET && (name.ip[0] == 255 || name.ip[0] == 127) &&
         std::all_of(name.ip.begin() + 1, name.ip.begin() + 4,
                     [](uint8_t byte) { return byte == 255; });
}

DatagramSocket::DatagramSocket(Simulation& simulation, HostKernel& host, sa_family_t family)
    : simulation_(simulation), host_(host), family_(family), options_(family, SOCK_DGRAM) {
  local_.family = family;
}

DatagramSocket::~DatagramSocket() { release(); }

size_t DatagramSocket::send_capacity() const {
  return static_cast<size_t>(options_.number(SOL_SOCKET, SO_SNDBUF));
}

// datagram_poll in net/core/datagram.c.
uint32_t DatagramSocket::readiness() {
  uint32_t events = 0;
  if (error_ != 0 || !kept_errors_.empty()) events |= POLLERR;
  if (shut_for_receiving_) events |= POLLRDHUP | POLLIN | POLLRDNORM;
  if (shut_for_receiving_ && shut_for_sending_) events |= POLLHUP;
  if (!received_.empty()) events |= POLLIN | POLLRDNORM;
  if (2 * unsent_cost_ <= send_capacity()) events |= POLLOUT | POLLWRNORM;
  return events;
}

// --- Names

int DatagramSocket::parse(const sockaddr* address, socklen_t length, Name& name) const {
  if (const int failed = Name::parse(address, length, name); failed != 0) return failed;
  return family_ == AF_INET && name.family != AF_INET ? -EAFNOSUPPORT : 0;
}

int DatagramSocket::bind(const sockaddr* address, socklen_t length) {
  Name name;
  if (const int failed = parse(address, length, name); failed != 0) return failed;
  if (is_bound()) return -EINVAL;
  const bool ours = name.is_any() || name.is_for_many() || name.is_loopback() ||
                    is_broadcast(name) || simulation_.network->find(host_, name) == &host_;
  if (!ours) return -EADDRNOTAVAIL;
  const bool chose_port = name.port != 0;
  if (!chose_port) {
    local_ = name;
    if (const int failed = claim_any_port(); failed != 0) return failed;
  } else if (const int failed = claim(name); failed != 0) {
    return failed;
  }
  chose_address_ = !name.is_any();
  chose_port_ = chose_port;
  return 0;
}

bool DatagramSocket::conflicts_with(const Name& name, const DatagramSocket& other) const {
  if (&other.host_ != &host_ || other.local_.port != name.port) return false;
  const bool apart = other.local_.family != name.family || other.local_.ip != name.ip;
  if (apart && !other.local_.is_any() && !name.is_any()) return false;
  const auto both = [&](int option) {
    return options_.flag(SOL_SOCKET, option) && other.options_.flag(SOL_SOCKET, option);
  };
  return !both(SO_REUSEADDR) && !both(SO_REUSEPORT);
}

int DatagramSocket::claim(Name name) {
  auto& bound = simulation_.network->datagram_sockets;
  const bool taken = std::any_of(bound.begin(), bound.end(), [&](const DatagramSocket* other) {
    return conflicts_with(name, *other);
  });
  if (taken) return -EADDRINUSE;
  local_ = name;
  bound.push_back(this);
  return 0;
}

int DatagramSocket::claim_any_port() {
  const auto from = static_cast<uint32_t>(simulation_.tape.draw(kEphemerals));
  for (uint32_t i = 0; i < kEphemerals; ++i) {
    Name name = local_;
    name.port = static_cast<uint16_t>(kFirstEphemeral + (from + i) % kEphemerals);
    if (claim(name) == 0) return 0;
  }
  return -EADDRINUSE;
}

void DatagramSocket::release() { std::erase(simulation_.network->datagram_sockets, this); }

// Which of its host's addresses a datagram to there comes from.
Name DatagramSocket::source_for(const Name& destination) const {
  Name source = local_;
  if (source.is_any() || source.is_for_many()) {
    source = destination.is_loopback() ? loopback(destination.family) : host_.address();
  }
  source.port = local_.port;
  return source;
}

int DatagramSocket::connect(const sockaddr* address, socklen_t length) {
  if (length >= sizeof(sa_family_t) && address->sa_family == AF_UNSPEC) {
    disconnect();
    return 0;
  }
  Name name;
  if (const int failed = parse(address, length, name); failed != 0) return failed;
  if (is_broadcast(name) && !options_.flag(SOL_SOCKET, SO_BROADCAST)) return -EACCES;
  if (!is_bound()) {
    if (const int failed = claim_any_port(); failed != 0) return -EAGAIN;
  }
  const uint16_t port = name.port;
  if (name.is_any()) name = loopback(name.family);
  name.port = port;
  local_ = source_for(name);
  peer_ = name;
  connected_ = true;
  return 0;
}

// connect(2), AF_UNSPEC: what bind did not choose is forgotten.
void DatagramSocket::disconnect() {
  connected_ = false;
  if (!chose_address_) local_.ip = {};
  if (!chose_port_) {
    release();
    local_.port = 0;
  }
}

int DatagramSocket::local_name(sockaddr* address, socklen_t* length) {
  local_.store(family_, address, length);
  return 0;
}

int DatagramSocket::peer_name(sockaddr* address, socklen_t* length) {
  if (!connected_) return -ENOTCONN;
  peer_.store(family_, address, length);
  return 0;
}

// inet_shutdown in net/ipv4/af_inet.c: one that is not connected is told so, and shut all the same.
int DatagramSocket::shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  if (how != SHUT_WR) shut_for_receiving_ = true;
  if (how != SHUT_RD) shut_for_sending_ = true;
  wake(kEverything);
  return connected_ ? 0 : -ENOTCONN;
}

int DatagramSocket::get_option(int level, int name, void* value, socklen_t* length) {
  if (level == SOL_SOCKET && name == SO_ERROR) {
    return SocketOptions::answer(std::exchange(error_, 0), value, length);
  }
  if (level == SOL_SOCKET && name == SO_ACCEPTCONN) return SocketOptions::answer(0, value, length);
  if (level == SOL_SOCKET && name == SO_MEMINFO) {
    std::array<uint32_t, SK_MEMINFO_VARS> memory = {};
    memory[SK_MEMINFO_RMEM_ALLOC] = static_cast<uint32_t>(received_cost_);
    memory[SK_MEMINFO_DROPS] = drops_;
    return SocketOptions::answer(memory.data(), sizeof memory, value, length);
  }
  return options_.get(level, name, value, length);
}

int DatagramSocket::set_option(int level, int name, const void* value, socklen_t length) {
  if (const auto done = groups_.set_option(level, name, value, length)) return *done;
  return options_.set(level, name, value, length);
}

// --- Sending

int DatagramSocket::destination_of(const msghdr& message, Name& name) const {
  if (message.msg_namelen == 0) {
    if (!connected_) return -EDESTADDRREQ;
    name = peer_;
    return 0;
  }
  const auto* address = static_cast<const sockaddr*>(message.msg_name);
  if (const int failed = parse(address, message.msg_namelen, name); failed != 0) return failed;
  if (name.port == 0) return -EINVAL;
  const uint16_t port = name.port;
  if (name.is_any()) name = loopback(name.family);
  name.port = port;
  return 0;
}

// udp_sendmsg in net/ipv4/udp.c.
ssize_t DatagramSocket::send(const msghdr& message, int flags) {
  // First of all, as inet_send_prepare in net/ipv4/af_inet.c.
  if (!is_bound() && claim_any_port() != 0) return -EAGAIN;
  std::string bytes(size_of(message.msg_iov, message.msg_iovlen), '\0');
  if (bytes.size() > 65'535) return -EMSGSIZE;
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  Datagram datagram;
  if (const int failed = destination_of(message, datagram.destination); failed != 0) return failed;
  datagram.source = source_for(datagram.destination);
  if (const int failed = read_control(message, options_, datagram); failed != 0) return failed;
  datagram.bytes = std::move(bytes);
  HostKernel* to = nullptr;
  if (const int failed = check(datagram, to); failed != 0) return failed;
  if (error_ != 0) return -std::exchange(error_, 0);
  if (shut_for_sending_) return -EPIPE;
  if (unsent_cost_ >= send_capacity()) return -EAGAIN;

  gather(message.msg_iov, message.msg_iovlen, datagram.bytes.data(), datagram.bytes.size());
  const auto size = static_cast<ssize_t>(datagram.bytes.size());
  simulation_.note(host_, "udp send", {local_.port, datagram.destination.port, size});
  if (to == nullptr) {
    send_to_many(datagram);
  } else {
    send_to(*to, std::move(datagram));
  }
  return size;
}

// Whether it can be sent, and to which host; to none in particular if it is for many.
int DatagramSocket::check(const Datagram& datagram, HostKernel*& to) const {
  const Name& destination = datagram.destination;
  const bool to_all = is_broadcast(destination);
  const bool is_ours = simulation_.network->find(host_, datagram.source) == &host_;
  if (!is_ours) return -EINVAL;
  if (!to_all && !destination.is_for_many()) {
    to = simulation_.network->find(host_, destination);
    if (to == nullptr) return -EHOSTUNREACH;
  }
  if (to_all && !options_.flag(SOL_SOCKET, SO_BROADCAST)) return -EACCES;
  const size_t size = datagram.bytes.size();
  if (size > most_bytes(destination)) return -EMSGSIZE;
  const size_t segment = datagram.segment_bytes;
  return segment != 0 && size > segment * kMostSegments ? -EINVAL : 0;
}

// To each host that has a socket, in the order of their numbers; its own among them.
void DatagramSocket::send_to_many(const Datagram& datagram) {
  const bool is_group = datagram.destination.is_for_many() && !is_broadcast(datagram.destination);
  const bool is_ipv6 = datagram.destination.family == AF_INET6;
  const bool loops = !is_group || options_.flag(is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
                                                is_ipv6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP);
  std::map<int, HostKernel*> hosts;
  for (const DatagramSocket* socket : simulation_.network->datagram_sockets) {
    const bool is_own = &socket->host_ == &host_;
    if (is_own ? !loops : datagram.ttl == 0 || datagram.destination.is_loopback()) continue;
    if (is_group && !socket->groups_.is_member(datagram.destination)) continue;
    hosts.emplace(socket->host_.number(), &socket->host_);
  }
  for (const auto& [number, host] : hosts) send_to(*host, datagram);
}

void DatagramSocket::send_to(HostKernel& to, Datagram datagram) {
  const size_t cost = cost_of(datagram);
  if (datagram.segment_bytes >= datagram.bytes.size()) datagram.segment_bytes = 0;
  datagram.is_local = &to == &host_;
  const auto packet = std::make_shared<const Packet>(
      Packet{.datagram = std::move(datagram),
             .from = &host_,
             .to = &to,
             .sender = std::static_pointer_cast<DatagramSocket>(shared_from_this())});
  const LinkState& link = simulation_.network->link(host_, to);
  if (simulation_.tape.chance(link.loss)) {
    simulation_.faults.count(Fault::kDatagramLost);
    return simulation_.note(host_, "udp lost", {local_.port});
  }
  if (simulation_.strikes(Fault::kDatagramLost, host_)) return;
  if (simulation_.strikes(Fault::kDatagramReordered, host_)) {
    const int64_t delay_ns = simulation_.tape.between(1, 2 * link.latency_ns + 1'000'000);
    return simulation_.after(
        delay_ns, [&simulation = simulation_, packet] { put_on_link(simulation, packet); });
  }
  put_on_link(simulation_, packet);
  if (simulation_.strikes(Fault::kDatagramDuplicated, host_)) put_on_link(simulation_, packet);
  if (link.busy_until_ns > simulation_.now_ns()) occupy_until(link.busy_until_ns, cost);
}

// The send buffer is free again when the last byte is on the link.
void DatagramSocket::occupy_until(int64_t when_ns, size_t cost) {
  unsent_cost_ += cost;
  simulation_.schedule.at(when_ns, [cost, file = weak_from_this()] {
    const auto socket = std::static_pointer_cast<DatagramSocket>(file.lock());
    if (socket == nullptr) return;
    socket->unsent_cost_ -= cost;
    if (2 * socket->unsent_cost_ <= socket->send_capacity()) socket->wake(POLLOUT | POLLWRNORM);
  });
}

void DatagramSocket::put_on_link(Simulation& simulation, const PacketRef& packet) {
  Network& network = *simulation.network;
  if (network.is_shut(network.link(*packet->from, *packet->to))) {
    simulation.faults.count(Fault::kDatagramLost);
    return simulation.note(*packet->from, "udp lost", {packet->datagram.source.port});
  }
  network.carry(*packet->from, *packet->to, packet->datagram.bytes.size() + kDatagramHeaders,
                nullptr, [&simulation, packet] { arrive(simulation, packet); });
}

FileRef make_datagram_socket(Simulation& simulation, HostKernel& host, int family) {
  return std::make_shared<DatagramSocket>(simulation, host, static_cast<sa_family_t>(family));
}

}  // namespace eddy::sim
