#include <eddy/core/kernel.h>
#include <eddy/net/stream_internal.h>
#include <linux/tcp.h>  // not netinet/tcp.h, whose tcp_info is older
#include <netinet/in.h>
#include <sys/socket.h>

namespace eddy {

void StreamSlot::drain() {
  close();
  if (closing || release_descriptor) return;
  set(kDraining);
  clear(kPausedByUser | kPausedByOutput);
  update_receiving();
  reactor_.turn().want_flush(*this);
}

// Closing with input that nobody has read is a reset (RFC 1122, section 4.2.2.13), and that ends
// the sending of what the peer has not acknowledged. So the peer's own end is waited for, unless
// there is nothing to lose.
void StreamSlot::finish_draining() {
  if (peer_has_all()) return end({});
  if (has(kWriteClosed)) return;
  set(kWriteClosed);
  // Without an end of its input the peer would have no reason to end.
  if (reactor_.kernel().shutdown(fd, SHUT_WR) < 0) end({});
}

// A socket that answers with an error has nothing left to lose.
bool StreamSlot::peer_has_all() const {
  Kernel& kernel = reactor_.kernel();
  tcp_info info = {};
  socklen_t length = sizeof info;
  if (kernel.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return true;
  if (info.tcpi_unacked != 0 || info.tcpi_notsent_bytes != 0) return false;
  char byte = 0;
  return kernel.recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

}  // namespace eddy
