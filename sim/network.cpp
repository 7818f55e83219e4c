#include <arpa/inet.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/network.h>
#include <eddy/sim/tcp_socket.h>
#include <string.h>

#include <algorithm>

namespace eddy::sim {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr uint16_t kFirstEphemeral = 32768;  // net.ipv4.ip_local_port_range
constexpr uint16_t kLastEphemeral = 60999;

void store_bytes(const void* from, size_t size, sockaddr* address, socklen_t* length) {
  memcpy(address, from, std::min<size_t>(size, *length));
  *length = static_cast<socklen_t>(size);
}

}  // namespace

// --- Name

bool Name::is_any() const { return ip == std::array<uint8_t, 16>{}; }

bool Name::is_loopback() const {
  if (family == AF_INET) return ip[0] == 127;
  std::array<uint8_t, 16> one = {};
  one[15] = 1;
  return family == AF_INET6 && ip == one;
}

bool Name::is_for_many() const {
  if (family == AF_INET6) return ip[0] == 0xff;
  return ip[0] >> 4 == 14 || (ip[0] == 255 && ip[1] == 255 && ip[2] == 255 && ip[3] == 255);
}

int Name::parse(const sockaddr* address, socklen_t length, Name& name) {
  if (length < sizeof(sa_family_t)) return -EINVAL;
  name = {};
  if (address->sa_family == AF_INET) {
    if (length < sizeof(sockaddr_in)) return -EINVAL;
    sockaddr_in in;
    memcpy(&in, address, sizeof in);
    name.family = AF_INET;
    memcpy(name.ip.data(), &in.sin_addr, 4);
    name.port = ntohs(in.sin_port);
    return 0;
  }
  if (address->sa_family != AF_INET6) return -EAFNOSUPPORT;
  if (length < 24) return -EINVAL;  // SIN6_LEN_RFC2133: the scope may be left out
  sockaddr_in6 in6 = {};
  memcpy(&in6, address, std::min<size_t>(length, sizeof in6));
  name.family = AF_INET6;
  memcpy(name.ip.data(), &in6.sin6_addr, 16);
  name.port = ntohs(in6.sin6_port);
  name.unmap();
  return 0;
}

void Name::unmap() {
  if (!std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip.begin())) return;
  family = AF_INET;
  std::copy_n(ip.begin() + 12, 4, ip.begin());
  std::fill(ip.begin() + 4, ip.end(), uint8_t{0});
}

void Name::store(sa_family_t socket_family, sockaddr* address, socklen_t* length) const {
  if (socket_family == AF_INET) {
    sockaddr_in in = {};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    memcpy(&in.sin_addr, ip.data(), 4);
    return store_bytes(&in, sizeof in, address, length);
  }
  sockaddr_in6 in6 = {};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  memcpy(&in6.sin6_addr, ip.data(), 16);
  if (family == AF_INET && !is_any()) {
    memcpy(&in6.sin6_addr, kMappedPrefix.data(), 12);
    memcpy(in6.sin6_addr.s6_addr + 12, ip.data(), 4);
  }
  store_bytes(&in6, sizeof in6, address, length);
}

bool Name::parse_ip(std::string_view text, Name& name) {
  const std::string terminated(text);
  name = {};
  name.family = AF_INET;
  if (inet_pton(AF_INET, terminated.c_str(), name.ip.data()) == 1) return true;
  name.family = AF_INET6;
  if (inet_pton(AF_INET6, terminated.c_str(), name.ip.data()) != 1) return false;
  name.unmap();
  return true;
}

std::string Name::to_string() const {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, ip.data(), text, sizeof text);
  return text;
}

// --- Hosts and links

bool Network::add(HostKernel& host, const Name& address) {
  by_number_.push_back(&host);
  return hosts_.emplace(address, &host).second;
}

HostKernel* Network::find(const HostKernel& from, const Name& name) const {
  if (name.is_any() || name.is_loopback()) return by_number_[static_cast<size_t>(from.number())];
  Name address = name;
  address.port = 0;
  const auto found = hosts_.find(address);
  return found == hosts_.end() ? nullptr : found->second;
}

LinkState& Network::link(const HostKernel& from, const HostKernel& to) {
  const auto [found, is_new] = links_.try_emplace({from.number(), to.number()});
  if (is_new && &from != &to) found->second.latency_ns = default_latency_ns;
  return found->second;
}

bool Network::is_shut(const LinkState& link) const {
  return link.cut || link.clogged_until_ns > simulation_.now_ns();
}

void Network::carry(const HostKernel& from, const HostKernel& to, size_t bytes,
                    int64_t* not_before_ns, InlineFunction<void()> then) {
  if (&from != &to) {
    if (simulation_.strikes(Fault::kClogged, from)) clog(from, to, trouble_ends());
    if (simulation_.strikes(Fault::kPartitioned, from)) {
      const int64_t until_ns = trouble_ends();
      clog(from, to, until_ns);
      clog(to, from, until_ns);
    }
  }
  LinkState& link = this->link(from, to);
  if (is_shut(link)) return link.held.push_back({bytes, not_before_ns, std::move(then)});
  int64_t at = std::max(simulation_.now_ns(), link.busy_until_ns);
  if (link.bytes_per_second != 0) {
    at += static_cast<int64_t>(bytes * 1'000'000'000 / link.bytes_per_second);
    link.busy_until_ns = at;
  }
  at = Simulation::later(at, link.latency_ns);
  if (link.jitter_ns > 0) at += simulation_.tape.between(0, link.jitter_ns);
  if (simulation_.strikes(Fault::kDelayed, from)) at += simulation_.tape.between(1, 50'000'000);
  if (not_before_ns != nullptr) at = *not_before_ns = std::max(*not_before_ns, at);
  simulation_.schedule.at(at, std::move(then));
}

int64_t Network::trouble_ends() {
  return simulation_.now_ns() + simulation_.tape.between(1'000'000, 1'000'000'000);
}

void Network::cut(const HostKernel& a, const HostKernel& b, bool cut) {
  for (const auto& [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    LinkState& link = this->link(*from, *to);
    link.cut = cut;
    if (!cut) open(*from, *to, link);
  }
}

void Network::clog(const HostKernel& from, const HostKernel& to, int64_t until_ns) {
  LinkState& link = this->link(from, to);
  link.clogged_until_ns = std::max(link.clogged_until_ns, until_ns);
  simulation_.schedule.at(until_ns, [this, &from, &to] { open(from, to, this->link(from, to)); });
}

void Network::heal() {
  for (auto& [ends, link] : links_) {
    link.cut = false;
    link.clogged_until_ns = 0;
    open(*by_number_[static_cast<size_t>(ends.first)],
         *by_number_[static_cast<size_t>(ends.second)], link);
  }
}

void Network::open(const HostKernel& from, const HostKernel& to, LinkState& link) {
  if (is_shut(link)) return;
  for (Held& held : std::exchange(link.held, {})) {
    carry(from, to, held.bytes, held.not_before_ns, std::move(held.then));
  }
}

// --- Ports

bool Network::is_taken(const HostKernel& host, const Name& name, bool reuse_address,
                       bool reuse_port) const {
  return std::ranges::any_of(claims_, [&](const Claim& claim) {
    if (claim.host != &host || claim.name.port != name.port) return false;
    if (claim.name.family == name.family && claim.name.ip != name.ip && !claim.name.is_any() &&
        !name.is_any()) {
      return false;
    }
    if (claim.name.family != name.family && !claim.name.is_any() && !name.is_any()) return false;
    if (reuse_port && claim.reuse_port) return false;
    return !reuse_address || !claim.reuse_address || claim.listening;
  });
}

int Network::claim(const HostKernel& host, Name& name, TcpSocket& socket, bool reuse_address,
                   bool reuse_port) {
  if (name.port != 0) {
    if (is_taken(host, name, reuse_address, reuse_port)) return -EADDRINUSE;
  } else {
    constexpr uint32_t kRange = kLastEphemeral - kFirstEphemeral + 1;
    const auto from = static_cast<uint32_t>(simulation_.tape.draw(kRange));
    for (uint32_t i = 0; i < kRange && name.port == 0; ++i) {
      name.port = static_cast<uint16_t>(kFirstEphemeral + (from + i) % kRange);
      if (is_taken(host, name, false, false)) name.port = 0;
    }
    if (name.port == 0) return -EADDRINUSE;
  }
  claims_.push_back({&host, name, &socket, reuse_address, reuse_port, false});
  return 0;
}

void Network::set_listening(TcpSocket& socket, bool listening) {
  for (Claim& claim : claims_) {
    if (claim.socket == &socket) claim.listening = listening;
  }
}

void Network::release(TcpSocket& socket) {
  std::erase_if(claims_, [&](const Claim& claim) { return claim.socket == &socket; });
}

// The most particular one; several of one address share its connections by chance.
TcpSocket* Network::listener(const HostKernel& host, const Name& name) const {
  std::vector<TcpSocket*> exact;
  std::vector<TcpSocket*> any;
  for (const Claim& claim : claims_) {
    if (claim.host != &host || !claim.listening || claim.name.port != name.port) continue;
    if (claim.name.family == name.family && claim.name.ip == name.ip) {
      exact.push_back(claim.socket);
    } else if (claim.name.is_any() && (claim.name.family == name.family ||
                                       !claim.socket->options().flag(IPPROTO_IPV6, IPV6_V6ONLY))) {
      any.push_back(claim.socket);
    }
  }
  const auto& candidates = exact.empty() ? any : exact;
  if (candidates.empty()) return nullptr;
  return candidates[simulation_.tape.draw(candidates.size())];
}

// --- Connections

void Network::enlist(const std::shared_ptr<TcpConnection>& connection) {
  connections_.emplace(connection->number(), connection);
}

void Network::forget(const TcpConnection& connection) { connections_.erase(connection.number()); }

}  // namespace eddy::sim
