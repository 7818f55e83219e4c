#include <eddy/sim/datagram_control.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include <algorithm>

namespace eddy::sim {
namespace {

constexpr unsigned kLoopback = 1;  // the interfaces of a host
constexpr unsigned kNetwork = 2;
constexpr uint8_t kUnreachable = 3;  // ICMP: destination unreachable, port unreachable
constexpr uint8_t kPortUnreachable = 3;
constexpr uint8_t kUnreachable6 = 1;  // ICMPv6
constexpr uint8_t kPortUnreachable6 = 4;

template <typename Value>
Value value_of(const cmsghdr* header) {
  Value value = {};
  memcpy(&value, CMSG_DATA(header), std::min(sizeof value, header->cmsg_len - CMSG_LEN(0)));
  return value;
}

bool is_in(int value, int least, int most) { return value >= least && value <= most; }

int read_ip(const cmsghdr* header, Datagram& datagram) {
  switch (header->cmsg_type) {
    case IP_PKTINFO: {
      const auto info = value_of<in_pktinfo>(header);
      if (info.ipi_spec_dst.s_addr == INADDR_ANY) return 0;
      datagram.source.family = AF_INET;
      memcpy(datagram.source.ip.data(), &info.ipi_spec_dst, 4);
      return 0;
    }
    case IP_TTL:
      datagram.ttl = value_of<int>(header);
      return is_in(datagram.ttl, 1, 255) ? 0 : -EINVAL;
    case IP_TOS:
      datagram.traffic_class =
          header->cmsg_len == CMSG_LEN(1) ? value_of<uint8_t>(header) : value_of<int>(header);
      return is_in(datagram.traffic_class, 0, 255) ? 0 : -EINVAL;
    default: return -EINVAL;
  }
}

int read_ipv6(const cmsghdr* header, Datagram& datagram) {
  switch (header->cmsg_type) {
    case IPV6_PKTINFO: {
      const auto info = value_of<in6_pktinfo>(header);
      if (IN6_IS_ADDR_UNSPECIFIED(&info.ipi6_addr)) return 0;
      datagram.source.family = AF_INET6;
      memcpy(datagram.source.ip.data(), &info.ipi6_addr, 16);
      datagram.source.unmap();
      return 0;
    }
    case IPV6_HOPLIMIT:
      datagram.ttl = value_of<int>(header);
      return is_in(datagram.ttl, 0, 255) ? 0 : -EINVAL;
    case IPV6_TCLASS:
      datagram.traffic_class = value_of<int>(header);
      return is_in(datagram.traffic_class, 0, 255) ? 0 : -EINVAL;
    default: return -EINVAL;
  }
}

// Writes control messages one behind the other into a message's room.
class Writer {
 public:
  Writer(msghdr& message, size_t room) : message_(message), room_(room) {
    message.msg_controllen = 0;
  }
  void add(int level, int type, const void* value, size_t size) {
    if (message_.msg_control == nullptr || used_ + CMSG_LEN(size) > room_) {
      message_.msg_flags |= MSG_CTRUNC;
      return;
    }
    auto* at = static_cast<char*>(message_.msg_control) + used_;
    cmsghdr header = {};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(size);
    memcpy(at, &header, sizeof header);
    memcpy(at + CMSG_LEN(0), value, size);
    used_ = std::min(used_ + CMSG_SPACE(size), room_);
    message_.msg_controllen = used_;
  }
  template <typename Value>
  void add(int level, int type, const Value& value) {
    add(level, type, &value, sizeof value);
  }

 private:
  msghdr& message_;
  const size_t room_;
  size_t used_ = 0;
};

void write_ip(Writer& writer, const SocketOptions& options, const Datagram& datagram) {
  if (options.flag(IPPROTO_IP, IP_PKTINFO)) {
    in_pktinfo info = {};
    info.ipi_ifindex = static_cast<int>(datagram.is_local ? kLoopback : kNetwork);
    memcpy(&info.ipi_addr, datagram.destination.ip.data(), 4);
    memcpy(&info.ipi_spec_dst, datagram.destination.ip.data(), 4);
    writer.add(IPPROTO_IP, IP_PKTINFO, info);
  }
  if (options.flag(IPPROTO_IP, IP_RECVTTL)) writer.add(IPPROTO_IP, IP_TTL, datagram.ttl);
  if (options.flag(IPPROTO_IP, IP_RECVTOS)) {
    writer.add(IPPROTO_IP, IP_TOS, static_cast<uint8_t>(datagram.traffic_class));
  }
}

void write_ipv6(Writer& writer, const SocketOptions& options, const Datagram& datagram) {
  if (options.flag(IPPROTO_IPV6, IPV6_RECVPKTINFO)) {
    sockaddr_in6 name = {};
    socklen_t length = sizeof name;
    datagram.destination.store(AF_INET6, reinterpret_cast<sockaddr*>(&name), &length);
    in6_pktinfo info = {};
    info.ipi6_addr = name.sin6_addr;
    info.ipi6_ifindex = datagram.is_local ? kLoopback : kNetwork;
    writer.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  if (datagram.destination.family == AF_INET) return;
  if (options.flag(IPPROTO_IPV6, IPV6_RECVHOPLIMIT)) {
    writer.add(IPPROTO_IPV6, IPV6_HOPLIMIT, datagram.ttl);
  }
  if (options.flag(IPPROTO_IPV6, IPV6_RECVTCLASS)) {
    writer.add(IPPROTO_IPV6, IPV6_TCLASS, datagram.traffic_class);
  }
}

}  // namespace

int read_control(const msghdr& message, const SocketOptions& options, Datagram& datagram) {
  const bool is_ipv6 = datagram.destination.family == AF_INET6;
  const bool is_for_many = datagram.destination.is_for_many();
  if (is_ipv6) {
    datagram.ttl =
        options.number(IPPROTO_IPV6, is_for_many ? IPV6_MULTICAST_HOPS : IPV6_UNICAST_HOPS);
    datagram.traffic_class = std::max(options.number(IPPROTO_IPV6, IPV6_TCLASS), 0);
  } else {
    datagram.ttl = options.number(IPPROTO_IP, is_for_many ? IP_MULTICAST_TTL : IP_TTL);
    datagram.traffic_class = options.number(IPPROTO_IP, IP_TOS);
  }
  datagram.segment_bytes = static_cast<uint16_t>(options.number(IPPROTO_UDP, kUdpSegment));
  msghdr walk = message;
  for (cmsghdr* header = CMSG_FIRSTHDR(&walk); header != nullptr;
       header = CMSG_NXTHDR(&walk, header)) {
    int failed = 0;
    if (header->cmsg_level == IPPROTO_IP) failed = read_ip(header, datagram);
    if (header->cmsg_level == IPPROTO_IPV6) failed = read_ipv6(header, datagram);
    if (header->cmsg_level == SOL_SOCKET) failed = -EINVAL;
    if (header->cmsg_level == IPPROTO_UDP) {
      if (header->cmsg_type != kUdpSegment || header->cmsg_len != CMSG_LEN(sizeof(uint16_t))) {
        return -EINVAL;
      }
      datagram.segment_bytes = value_of<uint16_t>(header);
    }
    if (failed != 0) return failed;
  }
  return 0;
}

void write_control(msghdr& message, size_t room, const SocketOptions& options,
                   sa_family_t socket_family, const Datagram& datagram) {
  Writer writer(message, room);
  if (options.flag(SOL_SOCKET, SO_TIMESTAMPNS)) {
    const timespec time = {datagram.arrived_ns / 1'000'000'000,
                           datagram.arrived_ns % 1'000'000'000};
    writer.add(SOL_SOCKET, SCM_TIMESTAMPNS, time);
  }
  if (options.flag(IPPROTO_UDP, kUdpGro) && datagram.segment_bytes != 0) {
    writer.add(IPPROTO_UDP, kUdpGro, int{datagram.segment_bytes});
  }
  if (socket_family == AF_INET6) write_ipv6(writer, options, datagram);
  if (datagram.destination.family == AF_INET) write_ip(writer, options, datagram);
}

// sock_extended_err, and behind it the address of who told.
void write_error(msghdr& message, size_t room, const KeptError& error) {
  const bool is_ipv6 = error.datagram.destination.family == AF_INET6;
  struct {
    sock_extended_err error = {};
    sockaddr_in6 offender = {};
  } told;
  told.error.ee_errno = static_cast<uint32_t>(error.error);
  told.error.ee_origin = is_ipv6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP;
  told.error.ee_type = is_ipv6 ? kUnreachable6 : kUnreachable;
  told.error.ee_code = is_ipv6 ? kPortUnreachable6 : kPortUnreachable;
  Name offender = error.offender;
  offender.port = 0;
  socklen_t length = sizeof told.offender;
  offender.store(error.datagram.destination.family, reinterpret_cast<sockaddr*>(&told.offender),
                 &length);
  Writer writer(message, room);
  writer.add(is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, is_ipv6 ? IPV6_RECVERR : IP_RECVERR, &told,
             sizeof told.error + length);
}

}  // namespace eddy::sim
