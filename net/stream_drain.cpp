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
  clear(kUndelivered);
  update_receiving();
  reactor_.turn().want_flush(*this);
}

// Closing with input that nobody has read is a reset (RFC 1122, section 4.2.2.13), and that ends
// the sending of what the peer has not acknowledged. So the peer's own end is waited for, unless
// there is nothing to lose.
void StreamSlot::finish_draining() {
  if (peer_has_all()) return end({});
  // Without an end of its input the peer would have no reason to end.
  if (!has(kWriteClosed) && end_writing() < 0) end({});
}

void StreamSlot::close_confirmed(std::chrono::nanoseconds deadline) {
  if (closing || has(kClosing)) return;
  drain();
  set(kConfirming);
  end_by_ = std::min(end_by_, after(reactor_.now(), deadline));
  arm_timer();
}

// A peer that has read to our end ends as well; that its kernel has acknowledged everything says
// nothing of the peer. Its end is an answer only where it came after ours, which its kernel
// acknowledges no later than with it.
void StreamSlot::finish_confirming() {
  if (!has(kWriteClosed)) {
    if (const int failed = end_writing(); failed < 0) return end(errno_code(-failed));
  }
  if (!has(kEndTold)) return;
  const bool answers = !has(kEndedFirst) && peer_acknowledged_all();
  end(answers ? std::error_code() : make_error_code(Errc::kEndOfInput));
}

// Our end among it, if it was sent. A socket that answers with an error has nothing left to lose.
bool StreamSlot::peer_acknowledged_all() const {
  tcp_info info = {};
  socklen_t length = sizeof info;
  const int result = reactor_.kernel().getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length);
  return result < 0 || (info.tcpi_unacked == 0 && info.tcpi_notsent_bytes == 0);
}

bool StreamSlot::peer_has_all() const {
  if (!peer_acknowledged_all()) return false;
  char byte = 0;
  return reactor_.kernel().recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

}  // namespace eddy
