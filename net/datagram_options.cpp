// What the options of a Datagram ask of its socket: socket(7), ip(7), ipv6(7), udp(7).
#include <eddy/core/kernel.h>
#include <eddy/net/datagram_internal.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>

namespace eddy {
namespace {

int set_number(Kernel& kernel, int fd, int level, int name, int value) {
  return kernel.setsockopt(fd, level, name, &value, sizeof value);
}

struct Wish {
  bool wanted;
  int level;
  int name;
  const char* call;
};

// What a socket of IPv6 hears by IPv4 is told by IPv4's options, which it need not have.
bool may_fail(int family, int level) { return family == AF_INET6 && level == IPPROTO_IP; }

}  // namespace

Result<void> apply_options(Kernel& kernel, int fd, int family, const DatagramOptions& options,
                           const std::string& subject) {
  const bool ip = family == AF_INET || family == AF_INET6;
  const bool ipv6 = family == AF_INET6;
  const Wish wishes[] = {
      {options.want_timestamp, SOL_SOCKET, SO_TIMESTAMPNS, "setsockopt SO_TIMESTAMPNS"},
      {options.broadcast, SOL_SOCKET, SO_BROADCAST, "setsockopt SO_BROADCAST"},
      {ip && !ipv6 && options.want_destination, IPPROTO_IP, IP_PKTINFO, "setsockopt IP_PKTINFO"},
      {ipv6 && options.want_destination, IPPROTO_IPV6, IPV6_RECVPKTINFO,
       "setsockopt IPV6_RECVPKTINFO"},
      {ip && options.want_ttl, IPPROTO_IP, IP_RECVTTL, "setsockopt IP_RECVTTL"},
      {ipv6 && options.want_ttl, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, "setsockopt IPV6_RECVHOPLIMIT"},
      {ip && options.want_traffic_class, IPPROTO_IP, IP_RECVTOS, "setsockopt IP_RECVTOS"},
      {ipv6 && options.want_traffic_class, IPPROTO_IPV6, IPV6_RECVTCLASS,
       "setsockopt IPV6_RECVTCLASS"},
      {ip && options.error_details, IPPROTO_IP, IP_RECVERR, "setsockopt IP_RECVERR"},
      {ipv6 && options.error_details, IPPROTO_IPV6, IPV6_RECVERR, "setsockopt IPV6_RECVERR"},
      {ip && options.want_segments, IPPROTO_UDP, kUdpGro, "setsockopt UDP_GRO"},
  };
  for (const Wish& wish : wishes) {
    if (!wish.wanted) continue;
    const int failed = set_number(kernel, fd, wish.level, wish.name, 1);
    if (failed < 0 && !may_fail(family, wish.level)) return failure(failed, wish.call, subject);
  }
  if (options.receive_buffer_bytes != 0) {
    set_number(kernel, fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
  }
  if (options.send_buffer_bytes != 0) {
    set_number(kernel, fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes);
  }
  return {};
}

Result<int> make_datagram_socket(Kernel& kernel, int family, const DatagramOptions& options,
                                 const std::string& subject) {
  const int fd = kernel.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(fd, "socket", subject);
  if (options.reuse_address) set_number(kernel, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) set_number(kernel, fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (family == AF_INET6) {
    set_number(kernel, fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
  }
  if (auto applied = apply_options(kernel, fd, family, options, subject); !applied) {
    kernel.close(fd);
    return std::unexpected(applied.error());
  }
  return fd;
}

// --- Multicast, and what is said of all that is sent

namespace {

std::unexpected<Error> closed(const char* call) {
  return std::unexpected<Error>(std::in_place, Errc::kClosed, call);
}

template <typename Value>
Result<void> set_option(const DatagramSlot& slot, int level, int name, const Value& value,
                        const char* call, const std::string& subject) {
  const int failed = slot.reactor().kernel().setsockopt(slot.fd, level, name, &value, sizeof value);
  if (failed < 0) return failure(failed, call, subject);
  return {};
}

int level_of(int family) { return family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP; }

sockaddr_storage storage_of(const Address& address) {
  sockaddr_storage storage = {};
  memcpy(&storage, address.data(), address.size());
  return storage;
}

Result<void> change_group(const DatagramSlot* slot, int name, const char* call,
                          const Address& group, unsigned interface) {
  if (slot == nullptr || slot->closing) return closed(call);
  group_req asked = {};
  asked.gr_interface = interface;
  asked.gr_group = storage_of(group);
  return set_option(*slot, level_of(group.family()), name, asked, call, group.to_string());
}

Result<void> change_source(const DatagramSlot* slot, int name, const char* call,
                           const Address& group, const Address& source, unsigned interface) {
  if (slot == nullptr || slot->closing) return closed(call);
  group_source_req asked = {};
  asked.gsr_interface = interface;
  asked.gsr_group = storage_of(group);
  asked.gsr_source = storage_of(source);
  return set_option(*slot, level_of(group.family()), name, asked, call,
                    group.to_string() + " from " + source.to_string());
}

// For IPv6, and for the IPv4 that such a socket may speak as well.
template <typename Value>
Result<void> set_both(const DatagramSlot* slot, int ipv4_name, int ipv6_name, const Value& value,
                      const char* call) {
  if (slot == nullptr || slot->closing) return closed(call);
  const std::string subject = "fd " + std::to_string(slot->fd);
  auto ipv4 = set_option(*slot, IPPROTO_IP, ipv4_name, value, call, subject);
  if (slot->family() != AF_INET6) return ipv4;
  return set_option(*slot, IPPROTO_IPV6, ipv6_name, value, call, subject);
}

}  // namespace

Result<void> Datagram::join(const Address& group, unsigned interface) {
  return change_group(find(), MCAST_JOIN_GROUP, "setsockopt MCAST_JOIN_GROUP", group, interface);
}

Result<void> Datagram::leave(const Address& group, unsigned interface) {
  return change_group(find(), MCAST_LEAVE_GROUP, "setsockopt MCAST_LEAVE_GROUP", group, interface);
}

Result<void> Datagram::join_source(const Address& group, const Address& source,
                                   unsigned interface) {
  return change_source(find(), MCAST_JOIN_SOURCE_GROUP, "setsockopt MCAST_JOIN_SOURCE_GROUP", group,
                       source, interface);
}

Result<void> Datagram::leave_source(const Address& group, const Address& source,
                                    unsigned interface) {
  return change_source(find(), MCAST_LEAVE_SOURCE_GROUP, "setsockopt MCAST_LEAVE_SOURCE_GROUP",
                       group, source, interface);
}

Result<void> Datagram::set_multicast_ttl(int ttl) {
  return set_both(find(), IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl,
                  "setsockopt IP_MULTICAST_TTL");
}

Result<void> Datagram::set_multicast_loop(bool on) {
  return set_both(find(), IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on ? 1 : 0,
                  "setsockopt IP_MULTICAST_LOOP");
}

Result<void> Datagram::set_multicast_interface(unsigned interface) {
  constexpr const char* kCall = "setsockopt IP_MULTICAST_IF";
  const DatagramSlot* slot = find();
  if (slot == nullptr || slot->closing) return closed(kCall);
  const std::string subject = "fd " + std::to_string(slot->fd);
  ip_mreqn ipv4 = {};
  ipv4.imr_ifindex = static_cast<int>(interface);
  auto result = set_option(*slot, IPPROTO_IP, IP_MULTICAST_IF, ipv4, kCall, subject);
  if (slot->family() != AF_INET6) return result;
  return set_option(*slot, IPPROTO_IPV6, IPV6_MULTICAST_IF, static_cast<int>(interface), kCall,
                    subject);
}

Result<void> Datagram::set_ttl(int ttl) {
  return set_both(find(), IP_TTL, IPV6_UNICAST_HOPS, ttl, "setsockopt IP_TTL");
}

Result<void> Datagram::set_traffic_class(int traffic_class) {
  return set_both(find(), IP_TOS, IPV6_TCLASS, traffic_class, "setsockopt IP_TOS");
}

}  // namespace eddy
