#include <eddy/sim/checksum.h>
#include <eddy/sim/in_place.h>
#include <errno.h>
#include <time.h>  // which the next one lacks

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>

namespace eddy::sim {

std::vector<iovec> InPlaceSend::first_of(const msghdr& message, size_t size) {
  std::vector<iovec> pieces;
  for (size_t i = 0; i < message.msg_iovlen && size != 0; ++i) {
    const iovec& piece = message.msg_iov[i];
    pieces.push_back({piece.iov_base, std::min(piece.iov_len, size)});
    size -= pieces.back().iov_len;
  }
  return pieces;
}

bool InPlaceSend::is_unchanged() const { return checksum_of(pieces) == checksum; }

// skb_zerocopy_notify_extend: whether the later ones were copied is lost.
void NotificationQueue::add(uint32_t number, bool was_copied) {
  if (!queue_.empty() && queue_.back().last + 1 == number) {
    queue_.back().last = number;
  } else {
    queue_.push_back({number, number, was_copied});
  }
}

// ip_recv_error, ipv6_recv_error.
ssize_t NotificationQueue::receive(msghdr& message, size_t room, sa_family_t socket_family) {
  if (queue_.empty()) return -EAGAIN;
  const Notification told = queue_.front();
  queue_.pop_front();
  message.msg_flags = MSG_ERRQUEUE;
  struct {
    sock_extended_err error;
    sockaddr_in6 offender;
  } details = {};
  details.error.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
  details.error.ee_code = told.was_copied ? SO_EE_CODE_ZEROCOPY_COPIED : 0;
  details.error.ee_info = told.first;
  details.error.ee_data = told.last;
  const bool is_ipv6 = socket_family == AF_INET6;
  const size_t size = sizeof details.error + (is_ipv6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
  if (room < CMSG_LEN(size)) {
    message.msg_flags |= MSG_CTRUNC;
    return 0;
  }
  auto* header = static_cast<cmsghdr*>(message.msg_control);
  header->cmsg_level = is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
  header->cmsg_type = is_ipv6 ? IPV6_RECVERR : IP_RECVERR;
  header->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(header), &details, size);
  message.msg_controllen = std::min(room, CMSG_SPACE(size));
  return 0;
}

}  // namespace eddy::sim
