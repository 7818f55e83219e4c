// An echo server on libev: bare callbacks, since libev has no streams of its own. An ev_io a
// connection waits for input, or, while a socket has refused a part of it, for room to write that;
// the read buffer of 64 KiB is shared by all.
#include <arpa/inet.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "peer.h"

namespace {

constexpr size_t kBufferSize = 64 * 1024;
char buffer[kBufferSize];

struct Connection {
  ev_io io;
  std::string pending;
};

void close_connection(struct ev_loop* loop, Connection* connection) {
  ev_io_stop(loop, &connection->io);
  close(connection->io.fd);
  delete connection;
}

void wait_for(struct ev_loop* loop, Connection* connection, int events) {
  ev_io_stop(loop, &connection->io);
  ev_io_set(&connection->io, connection->io.fd, events);
  ev_io_start(loop, &connection->io);
}

void write_pending(struct ev_loop* loop, Connection* connection) {
  const ssize_t n =
      write(connection->io.fd, connection->pending.data(), connection->pending.size());
  if (n < 0 && errno != EAGAIN) return close_connection(loop, connection);
  if (n > 0) connection->pending.erase(0, static_cast<size_t>(n));
  if (connection->pending.empty()) wait_for(loop, connection, EV_READ);
}

void on_ready(struct ev_loop* loop, ev_io* io, int events) {
  auto* connection = reinterpret_cast<Connection*>(io);
  if (events & EV_WRITE) return write_pending(loop, connection);
  const ssize_t size = read(io->fd, buffer, kBufferSize);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return close_connection(loop, connection);
  ssize_t n = write(io->fd, buffer, static_cast<size_t>(size));
  if (n < 0 && errno != EAGAIN) return close_connection(loop, connection);
  if (n < 0) n = 0;
  if (n == size) return;
  connection->pending.assign(buffer + n, static_cast<size_t>(size - n));
  wait_for(loop, connection, EV_WRITE);
}

void on_accept(struct ev_loop* loop, ev_io* io, int) {
  const int fd = accept4(io->fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  auto* connection = new Connection;
  ev_io_init(&connection->io, on_ready, fd, EV_READ);
  ev_io_start(loop, &connection->io);
}

int listen_on_loopback(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  return listen(fd, peer::kBacklog) == 0 ? fd : -1;
}

}  // namespace

int main(int argc, char** argv) {
  const int port = peer::parse_port(argc, argv);
  peer::prepare_process();
  const int listener = listen_on_loopback(port);
  if (listener < 0) return peer::fail("listen", std::strerror(errno));
  struct ev_loop* loop = EV_DEFAULT;
  ev_io accepting;
  ev_io_init(&accepting, on_accept, listener, EV_READ);
  ev_io_start(loop, &accepting);
  ev_signal terminate;
  ev_signal_init(
      &terminate, [](struct ev_loop* l, ev_signal*, int) { ev_break(l, EVBREAK_ALL); }, SIGTERM);
  ev_signal_start(loop, &terminate);
  peer::announce();
  ev_run(loop, 0);
}
