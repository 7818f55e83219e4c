// What the bare loops share and what is not on their hot path: arguments, the listening socket,
// the signal that ends them, and the line of counts that they print then.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace floor_loop {

inline volatile sig_atomic_t stopped = 0;

struct Counts {
  uint64_t receives = 0;
  uint64_t bytes = 0;
  uint64_t syscalls = 0;
};

[[noreturn]] inline void usage(const char* program, const char* what, std::string_view which) {
  std::fprintf(stderr, "%s: %s '%.*s'; usage: %s PORT [key=value...]\n", program, what,
               static_cast<int>(which.size()), which.data(), program);
  std::exit(2);
}

[[noreturn]] inline void die(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

inline unsigned parse_number(const char* program, std::string_view text, unsigned high) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > high) {
    usage(program, "not a number in range:", text);
  }
  return value;
}

// Reads `PORT [key=value...]`; a key is looked up among `keys`, which hold the defaults.
inline uint16_t parse_arguments(
    int argc, char** argv, std::initializer_list<std::pair<std::string_view, unsigned*>> keys) {
  if (argc < 2) usage(argv[0], "no port among the arguments", "");
  for (int i = 2; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = std::min(argument.find('='), argument.size());
    const auto* key = std::find_if(keys.begin(), keys.end(), [&](const auto& k) {
      return k.first == argument.substr(0, equals) && equals < argument.size();
    });
    if (key == keys.end()) usage(argv[0], "unknown argument", argument);
    *key->second = parse_number(argv[0], argument.substr(equals + 1), 1u << 30);
  }
  return static_cast<uint16_t>(parse_number(argv[0], argv[1], 65535));
}

// SIGTERM and SIGINT end the loop's wait with EINTR; a reset peer must not end the process.
inline void prepare_process() {
  struct sigaction stop{};
  stop.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGTERM, &stop, nullptr);
  sigaction(SIGINT, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

inline sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline void bind_and_listen(int fd, const void* address, size_t size) {
  const auto* any = static_cast<const sockaddr*>(address);
  if (bind(fd, any, static_cast<socklen_t>(size)) != 0) die("bind");
  if (listen(fd, 4096) != 0) die("listen");
}

// Accepted sockets inherit TCP_NODELAY from the listener: tcp(7) does not say so, Linux does it.
inline int listen_on_loopback(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const sockaddr_in address = loopback(port);
  bind_and_listen(fd, &address, sizeof address);
  return fd;
}

// On a Unix socket of the abstract name eddy-bench-NUMBER.
inline int listen_on_name(uint16_t number) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;  // sun_path begins with the NUL of an abstract name
  const int length =
      std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "eddy-bench-%d", number);
  bind_and_listen(fd, &address, offsetof(sockaddr_un, sun_path) + 1 + static_cast<size_t>(length));
  return fd;
}

inline void announce() {
  std::puts("ready");
  std::fflush(stdout);
}

inline void print(const Counts& counts) {
  std::printf("requests=%llu bytes=%llu syscalls=%llu\n",
              static_cast<unsigned long long>(counts.receives),
              static_cast<unsigned long long>(counts.bytes),
              static_cast<unsigned long long>(counts.syscalls));
}

}  // namespace floor_loop
