#include "endpoint.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdio>

#include "window.h"

namespace bench {
namespace {

constexpr int kConnsPerSource = 20'000;  // below the 28,232 ports of Linux's default range

void bind_source(int fd, const Endpoint& server, size_t index) {
  const int one = 1;
  sockaddr_in source = server.in;
  source.sin_port = 0;
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<uint32_t>(index) / kConnsPerSource);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source) != 0) fail_errno("bind");
}

}  // namespace

Endpoint endpoint_of(const Options& options) {
  Endpoint server{};
  if (options.mode == Mode::kUnix) {
    server.un.sun_family = AF_UNIX;  // sun_path begins with the NUL of an abstract name
    const int length = std::snprintf(server.un.sun_path + 1, sizeof server.un.sun_path - 1,
                                     "eddy-bench-%d", options.port);
    server.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path)) + 1 +
                  static_cast<socklen_t>(length);
    return server;
  }
  server.in.sin_family = AF_INET;
  server.in.sin_port = htons(static_cast<uint16_t>(options.port));
  server.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server.size = sizeof server.in;
  return server;
}

int connect_stream(const Options& options, const Endpoint& server, size_t index) {
  const int fd = socket(server.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail_errno("socket for connection " + std::to_string(index));
  if (server.any.sa_family == AF_INET) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (options.conns > kConnsPerSource) bind_source(fd, server, index);
  }
  if (connect(fd, &server.any, server.size) != 0) {
    fail_errno("connection " + std::to_string(index) + " to port " + std::to_string(options.port));
  }
  return fd;
}

}  // namespace bench
