// Control messages of datagrams: cmsg(3), ip(7), ipv6(7), udp(7), socket(7).
#include <eddy/core/kernel.h>
#include <eddy/net/datagram_internal.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <time.h>

#include <algorithm>

namespace eddy {
namespace {

// Writes control messages one behind the other.
class ControlWriter {
 public:
  explicit ControlWriter(char* room) : room_(room) {}
  template <typename Value>
  void add(int level, int type, const Value& value) {
    cmsghdr header = {};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(sizeof value);
    memset(room_ + size_, 0, CMSG_SPACE(sizeof value));
    memcpy(room_ + size_, &header, sizeof header);
    memcpy(room_ + size_ + CMSG_LEN(0), &value, sizeof value);
    size_ += CMSG_SPACE(sizeof value);
  }
  size_t size() const { return size_; }

 private:
  char* const room_;
  size_t size_ = 0;
};

template <typename Value>
Value value_of(const cmsghdr* header) {
  Value value = {};
  memcpy(&value, CMSG_DATA(header), std::min<size_t>(sizeof value, header->cmsg_len - CMSG_LEN(0)));
  return value;
}

bool is_mapped(const Address& address) {
  if (address.family() != AF_INET6) return false;
  sockaddr_in6 name;
  memcpy(&name, address.data(), sizeof name);
  return IN6_IS_ADDR_V4MAPPED(&name.sin6_addr);
}

void add_source(ControlWriter& writer, const SendControl& control, int socket_family) {
  if (control.source_family == AF_UNSPEC && control.interface == 0) return;
  if (socket_family == AF_INET) {
    in_pktinfo info = {};
    info.ipi_ifindex = static_cast<int>(control.interface);
    if (control.source_family == AF_INET) memcpy(&info.ipi_spec_dst, control.source.data(), 4);
    return writer.add(IPPROTO_IP, IP_PKTINFO, info);
  }
  in6_pktinfo info = {};
  info.ipi6_ifindex = control.interface;
  if (control.source_family == AF_INET6) {
    memcpy(&info.ipi6_addr, control.source.data(), 16);
  } else if (control.source_family == AF_INET) {
    info.ipi6_addr.s6_addr[10] = info.ipi6_addr.s6_addr[11] = 0xff;
    memcpy(info.ipi6_addr.s6_addr + 12, control.source.data(), 4);
  }
  writer.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
}

template <typename Host>
Address address_of(const Host& host) {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  if constexpr (std::is_same_v<Host, in_addr>) {
    const sockaddr_in name = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = host};
    memcpy(&storage, &name, size = sizeof name);
  } else {
    sockaddr_in6 name = {};
    name.sin6_family = AF_INET6;
    name.sin6_addr = host;
    memcpy(&storage, &name, size = sizeof name);
  }
  Address address;
  address.assign(reinterpret_cast<const sockaddr*>(&storage), size);
  return address;
}

void read_ip(const cmsghdr* header, DatagramInfo& info) {
  switch (header->cmsg_type) {
    case IP_PKTINFO: {
      const auto packet = value_of<in_pktinfo>(header);
      info.destination = address_of(packet.ipi_addr);
      info.interface = static_cast<unsigned>(packet.ipi_ifindex);
      return;
    }
    case IP_TTL: info.ttl = value_of<int>(header); return;
    case IP_TOS: info.traffic_class = value_of<uint8_t>(header); return;
    default: return;
  }
}

void read_ipv6(const cmsghdr* header, DatagramInfo& info) {
  switch (header->cmsg_type) {
    case IPV6_PKTINFO: {
      const auto packet = value_of<in6_pktinfo>(header);
      info.destination = address_of(packet.ipi6_addr);
      info.interface = packet.ipi6_ifindex;
      return;
    }
    case IPV6_HOPLIMIT: info.ttl = value_of<int>(header); return;
    case IPV6_TCLASS: info.traffic_class = value_of<int>(header); return;
    default: return;
  }
}

// sock_extended_err, and the address of who told behind it (ip(7), IP_RECVERR).
void read_extended_error(const cmsghdr* header, DatagramError& error) {
  const auto extended = value_of<sock_extended_err>(header);
  error.code = errno_code(static_cast<int>(extended.ee_errno));
  error.is_of_send = extended.ee_origin == SO_EE_ORIGIN_LOCAL;
  error.type = extended.ee_type;
  error.detail = extended.ee_code;
  if (extended.ee_errno == EMSGSIZE) error.mtu = extended.ee_info;
  if (header->cmsg_len < CMSG_LEN(sizeof extended + sizeof(sockaddr_in))) return;
  sockaddr_storage offender = {};
  const size_t size = std::min(sizeof offender, header->cmsg_len - CMSG_LEN(sizeof extended));
  memcpy(&offender, CMSG_DATA(header) + sizeof extended, size);
  if (offender.ss_family == AF_UNSPEC) return;
  error.offender.assign(reinterpret_cast<const sockaddr*>(&offender), static_cast<socklen_t>(size));
  error.offender = error.offender.with_port(0);
}

}  // namespace

SendControl::SendControl(const DatagramSend& how)
    : interface(how.interface),
      ttl(static_cast<int16_t>(how.ttl)),
      traffic_class(static_cast<int16_t>(how.traffic_class)),
      segment_bytes(how.segment_bytes),
      source_family(static_cast<uint16_t>(how.source.family())) {
  if (source_family == AF_INET) {
    sockaddr_in name;
    memcpy(&name, how.source.data(), sizeof name);
    memcpy(source.data(), &name.sin_addr, sizeof name.sin_addr);
  } else if (source_family == AF_INET6) {
    sockaddr_in6 name;
    memcpy(&name, how.source.data(), sizeof name);
    memcpy(source.data(), &name.sin6_addr, sizeof name.sin6_addr);
  }
}

size_t write_control(const SendControl& control, int socket_family, const Address& destination,
                     char* room) {
  ControlWriter writer(room);
  if (socket_family == AF_UNIX) return 0;
  const bool is_ipv4 = socket_family == AF_INET || is_mapped(destination);
  add_source(writer, control, socket_family);
  if (control.ttl >= 0) {
    is_ipv4 ? writer.add(IPPROTO_IP, IP_TTL, int{control.ttl})
            : writer.add(IPPROTO_IPV6, IPV6_HOPLIMIT, int{control.ttl});
  }
  if (control.traffic_class >= 0) {
    is_ipv4 ? writer.add(IPPROTO_IP, IP_TOS, int{control.traffic_class})
            : writer.add(IPPROTO_IPV6, IPV6_TCLASS, int{control.traffic_class});
  }
  if (control.segment_bytes != 0) writer.add(IPPROTO_UDP, kUdpSegment, control.segment_bytes);
  return writer.size();
}

void read_control(const void* control, size_t size, DatagramInfo& info) {
  info.segment_bytes = 0;
  msghdr walk = {};
  walk.msg_control = const_cast<void*>(control);  // NOLINT: msghdr's type
  walk.msg_controllen = size;
  for (cmsghdr* header = CMSG_FIRSTHDR(&walk); header != nullptr;
       header = CMSG_NXTHDR(&walk, header)) {
    switch (header->cmsg_level) {
      case IPPROTO_IP: read_ip(header, info); break;
      case IPPROTO_IPV6: read_ipv6(header, info); break;
      case IPPROTO_UDP:
        if (header->cmsg_type == kUdpGro) {
          info.segment_bytes = static_cast<uint16_t>(value_of<int>(header));
        }
        break;
      case SOL_SOCKET:
        if (header->cmsg_type == SCM_TIMESTAMPNS) {
          const auto time = value_of<timespec>(header);
          info.timestamp =
              std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
        }
        break;
      default: break;
    }
  }
}

bool read_kept_error(Kernel& kernel, int fd, DatagramError& error) {
  sockaddr_storage name = {};
  alignas(cmsghdr) char control[512] = {};
  msghdr message = {};
  message.msg_name = &name;
  message.msg_namelen = sizeof name;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (kernel.recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return false;
  if (message.msg_namelen != 0) {
    error.destination.assign(reinterpret_cast<const sockaddr*>(&name), message.msg_namelen);
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    const bool is_error = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
                          (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
    if (is_error) read_extended_error(header, error);
  }
  return true;
}

}  // namespace eddy
