// The other side of a connection, made of plain system calls: what eddy is tested against.
//
// Everything but `connect_to` returns at once, so that a test drives the peer and the reactor from
// one thread.
#pragma once

#include <eddy/net/address.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>  // not netinet/tcp.h, whose tcp_info is older
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "descriptors.h"
#include "pattern.h"

namespace eddy::test {

// A TCP socket that is bound to a free port of 127.0.0.1, and blocks.
inline Descriptor bound_socket() {
  Descriptor socket(plain_kernel().socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Address any_port = *Address::parse("127.0.0.1:0");
  plain_kernel().bind(socket.get(), any_port.data(), any_port.size());
  return socket;
}
inline Address address_of(int socket) {
  sockaddr_storage name = {};
  socklen_t length = sizeof name;
  plain_kernel().getsockname(socket, reinterpret_cast<sockaddr*>(&name), &length);
  return Address::from(reinterpret_cast<sockaddr*>(&name), length).value_or(Address());
}

class Peer {
 public:
  Peer() = default;
  // Takes a connected socket over.
  explicit Peer(int fd) : socket_(fd) {
    if (fd < 0) return;
    Kernel& kernel = plain_kernel();
    kernel.set_status_flags(fd, kernel.get_status_flags(fd) | O_NONBLOCK);
  }

  // On loopback the handshake is over when connect(2) returns, whether or not anybody accepts.
  // `receive_buffer_bytes`: 0 is the system's own.
  static Peer connect_to(const Address& address, int receive_buffer_bytes = 0) {
    Kernel& kernel = plain_kernel();
    Descriptor socket(kernel.socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    kernel.setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_buffer_bytes != 0) {
      kernel.setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                        sizeof receive_buffer_bytes);
    }
    if (kernel.connect(socket.get(), address.data(), address.size()) != 0) return {};
    return Peer(socket.release());
  }

  bool is_open() const { return socket_.is_open(); }
  int fd() const { return socket_.get(); }

  // How many bytes the socket took.
  size_t send(std::string_view bytes, int flags = 0) {
    const ssize_t sent =
        plain_kernel().send(fd(), bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);
    if (sent < 0 && sent != -EAGAIN) send_error = static_cast<int>(-sent);
    return sent < 0 ? 0 : static_cast<size_t>(sent);
  }

  // Takes what has arrived, at most `most`, to the end of `received`.
  void receive(size_t most = SIZE_MAX) {
    std::array<char, 65536> room;
    while (most > 0 && !ended && error == 0) {
      const ssize_t count = plain_kernel().recv(fd(), room.data(), std::min(most, room.size()), 0);
      if (count == -EAGAIN) return;
      if (count < 0) error = static_cast<int>(-count);
      if (count == 0) ended = true;
      if (count <= 0) return;
      received.append(room.data(), static_cast<size_t>(count));
      most -= static_cast<size_t>(count);
    }
  }
  // receive(), as a condition to wait for.
  bool has_received(std::string_view bytes) {
    receive();
    return received == bytes;
  }
  bool has_ended() {
    receive();
    return ended;
  }
  bool has_failed() {
    receive();
    return error != 0;
  }

  // Segments with data that have arrived on this connection.
  uint32_t segments_received() const {
    tcp_info info = {};
    socklen_t length = sizeof info;
    plain_kernel().getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &length);
    return info.tcpi_data_segs_in;
  }

  void shutdown_write() { plain_kernel().shutdown(fd(), SHUT_WR); }
  void close() { socket_.reset(); }
  // A RST in place of a FIN (SO_LINGER of 0, tcp(7)).
  void reset() {
    const linger abort = {.l_onoff = 1, .l_linger = 0};
    plain_kernel().setsockopt(fd(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    close();
  }

  std::string received;
  bool ended = false;  // the end of input was read
  int error = 0;       // what recv failed with
  int send_error = 0;

 private:
  Descriptor socket_;
};

// Sends and receives the bytes of a pattern, piece by piece, and looks at every one that comes
// back.
class PatternExchange {
 public:
  PatternExchange(Peer& peer, uint64_t size) : peer_(peer), size_(size) {}

  // `send_most`, `receive_most`: what one step may move in either direction. True when everything
  // has come back.
  bool step(size_t send_most = 1 << 16, size_t receive_most = SIZE_MAX) {
    send_step(send_most);
    peer_.receive(receive_most);
    intact = intact && is_pattern(peer_.received, arrived);
    arrived += peer_.received.size();
    peer_.received.clear();
    return !intact || arrived >= size_ || peer_.ended || peer_.error != 0;
  }
  void send_step(size_t most) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(size_ - sent, most));
    if (size != 0) sent += peer_.send(pattern(size, sent));
  }
  bool complete() const { return intact && arrived == size_; }

  uint64_t sent = 0;
  uint64_t arrived = 0;
  bool intact = true;

 private:
  Peer& peer_;
  const uint64_t size_;
};

}  // namespace eddy::test
