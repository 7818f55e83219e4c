#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <algorithm>

#include <eddy/sim/socket_options.h>

namespace eddy::sim {

struct SocketOption {
  enum Kind : uint8_t { kFlag, kNumber, kBuffer, kLinger, kReadOnly };

  int level;
  int name;
  Kind kind;
  int initial = 0;
  int least = INT_MIN;
  int most = INT_MAX;
};

namespace {

using enum SocketOption::Kind;

// net.core.rmem_max and wmem_max; the least that socket(7) gives, which is already doubled.
constexpr int kMostBuffer = 212'992;
constexpr int kLeastReceiveBuffer = 2304;
constexpr int kLeastSendBuffer = 4608;
// The middle ones of tcp(7)'s tcp_rmem and tcp_wmem.
constexpr int kTcpReceiveBuffer = 131'072;
constexpr int kTcpSendBuffer = 16'384;

constexpr SocketOption kTable[] = {
    {SOL_SOCKET, SO_DOMAIN, kReadOnly},
    {SOL_SOCKET, SO_TYPE, kReadOnly},
    {SOL_SOCKET, SO_PROTOCOL, kReadOnly},
    {SOL_SOCKET, SO_RCVBUF, kBuffer, kMostBuffer, kLeastReceiveBuffer},
    {SOL_SOCKET, SO_SNDBUF, kBuffer, kMostBuffer, kLeastSendBuffer},
    {SOL_SOCKET, SO_LINGER, kLinger, -1},
    {SOL_SOCKET, SO_REUSEADDR, kFlag},
    {SOL_SOCKET, SO_REUSEPORT, kFlag},
    {SOL_SOCKET, SO_KEEPALIVE, kFlag},
    {SOL_SOCKET, SO_BROADCAST, kFlag},
    {SOL_SOCKET, SO_OOBINLINE, kFlag},
    {SOL_SOCKET, SO_DONTROUTE, kFlag},
    {SOL_SOCKET, SO_TIMESTAMPNS, kFlag},
    {SOL_SOCKET, SO_ZEROCOPY, kNumber, 0, 0, 1},
    {SOL_SOCKET, SO_RCVLOWAT, kNumber, 1},
    {SOL_SOCKET, SO_INCOMING_CPU, kNumber, -1},
    {SOL_SOCKET, SO_BUSY_POLL, kNumber, 0, 0},
    {SOL_SOCKET, SO_PRIORITY, kNumber, 0},
    {SOL_SOCKET, SO_MARK, kNumber, 0},
    {IPPROTO_IP, IP_TOS, kNumber, 0, 0, 255},
    {IPPROTO_IP, IP_TTL, kNumber, 64, 1, 255},
    {IPPROTO_IP, IP_FREEBIND, kFlag},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, kFlag},
    {IPPROTO_IP, IP_PKTINFO, kFlag},
    {IPPROTO_IP, IP_RECVTTL, kFlag},
    {IPPROTO_IP, IP_RECVTOS, kFlag},
    {IPPROTO_IP, IP_RECVERR, kFlag},
    {IPPROTO_IP, IP_MULTICAST_TTL, kNumber, 1, 0, 255},
    {IPPROTO_IP, IP_MULTICAST_LOOP, kFlag, 1},
    {IPPROTO_IPV6, IPV6_V6ONLY, kFlag},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, kFlag},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, kFlag},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, kFlag},
    {IPPROTO_IPV6, IPV6_RECVERR, kFlag},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, kNumber, 64, 0, 255},
    {IPPROTO_IPV6, IPV6_TCLASS, kNumber, 0, 0, 255},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kNumber, 1, 0, 255},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, kFlag, 1},
    {IPPROTO_UDP, kUdpSegment, kNumber, 0, 0, 65'535},
    {IPPROTO_UDP, kUdpGro, kFlag},
    {IPPROTO_TCP, TCP_NODELAY, kFlag},
    {IPPROTO_TCP, TCP_CORK, kFlag},
    {IPPROTO_TCP, TCP_QUICKACK, kFlag, 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, kNumber, 7200, 1, 32'767},
    {IPPROTO_TCP, TCP_KEEPINTVL, kNumber, 75, 1, 32'767},
    {IPPROTO_TCP, TCP_KEEPCNT, kNumber, 9, 1, 127},
    {IPPROTO_TCP, TCP_SYNCNT, kNumber, 6, 1, 127},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, kNumber, 0, 0},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, kNumber, 0, 0},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, kNumber, -1},
    {IPPROTO_TCP, TCP_FASTOPEN, kNumber, 0, 0},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, kNumber, 0, 0, 1},
};

bool is_tcp(int domain, int type) { return domain != AF_UNIX && type == SOCK_STREAM; }

int protocol_of(int domain, int type) {
  if (domain == AF_UNIX) return 0;
  return type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
}

}  // namespace

SocketOptions::SocketOptions(int domain, int type) : domain_(domain), type_(type) {
  static_assert(std::size(kTable) == kOptions);
  for (size_t i = 0; i < kOptions; ++i) values_[i] = kTable[i].initial;
  put(SOL_SOCKET, SO_DOMAIN, domain);
  put(SOL_SOCKET, SO_TYPE, type);
  put(SOL_SOCKET, SO_PROTOCOL, protocol_of(domain, type));
  if (is_tcp(domain, type)) {
    put(SOL_SOCKET, SO_RCVBUF, kTcpReceiveBuffer);
    put(SOL_SOCKET, SO_SNDBUF, kTcpSendBuffer);
  }
}

int SocketOptions::get(int level, int name, void* value, socklen_t* length) const {
  if (domain_ == AF_UNIX && level != SOL_SOCKET) return -EOPNOTSUPP;
  if (level == SOL_SOCKET && name == SO_PEERCRED) {  // nobody's, but for Unix sockets
    const ucred nobody = {.pid = 0, .uid = static_cast<uid_t>(-1), .gid = static_cast<gid_t>(-1)};
    return answer(&nobody, sizeof nobody, value, length);
  }
  const SocketOption* option = find(level, name);
  if (option == nullptr) return -ENOPROTOOPT;
  const int number = values_[static_cast<size_t>(option - kTable)];
  if (option->kind != kLinger) return answer(number, value, length);
  const linger state = {.l_onoff = number >= 0 ? 1 : 0, .l_linger = std::max(number, 0)};
  return answer(&state, sizeof state, value, length);
}

int SocketOptions::set(int level, int name, const void* value, socklen_t length) {
  if (domain_ == AF_UNIX && level != SOL_SOCKET) return -EOPNOTSUPP;
  // The length comes first: Linux looks at it before it looks at SOL_SOCKET's names.
  if (level == SOL_SOCKET && length < sizeof(int)) return -EINVAL;
  const SocketOption* option = find(level, name);
  if (option == nullptr || option->kind == kReadOnly) return -ENOPROTOOPT;
  if (length < (option->kind == kLinger ? sizeof(linger) : sizeof(int))) return -EINVAL;

  int number;
  memcpy(&number, value, sizeof number);
  switch (option->kind) {
    case kFlag: number = number != 0 ? 1 : 0; break;
    case kBuffer: {
      const int within = number < 0 ? kMostBuffer : std::min(number, kMostBuffer);
      number = std::max(2 * within, option->least);
      break;
    }
    case kLinger: {
      linger state;
      memcpy(&state, value, sizeof state);
      number = state.l_onoff != 0 ? std::max(state.l_linger, 0) : -1;
      break;
    }
    case kNumber:
      if (number < option->least || number > option->most) return -EINVAL;
      break;
    case kReadOnly: break;
  }
  values_[static_cast<size_t>(option - kTable)] = number;
  return 0;
}

int SocketOptions::number(int level, int name, int otherwise) const {
  const SocketOption* option = find(level, name);
  return option != nullptr ? values_[static_cast<size_t>(option - kTable)] : otherwise;
}

void SocketOptions::put(int level, int name, int value) {
  values_[static_cast<size_t>(find(level, name) - kTable)] = value;
}

int SocketOptions::answer(const void* from, size_t size, void* value, socklen_t* length) {
  if (static_cast<int>(*length) < 0) return -EINVAL;
  *length = static_cast<socklen_t>(std::min<size_t>(*length, size));
  memcpy(value, from, *length);
  return 0;
}

bool SocketOptions::has_level(int level) const {
  switch (level) {
    case SOL_SOCKET: return true;
    case IPPROTO_IP: return domain_ != AF_UNIX;
    case IPPROTO_IPV6: return domain_ == AF_INET6;
    default: return domain_ != AF_UNIX && level == protocol_of(domain_, type_);
  }
}

const SocketOption* SocketOptions::find(int level, int name) const {
  if (!has_level(level)) return nullptr;
  const auto* found = std::find_if(std::begin(kTable), std::end(kTable), [&](const auto& option) {
    return option.level == level && option.name == name;
  });
  return found != std::end(kTable) ? found : nullptr;
}

}  // namespace eddy::sim
