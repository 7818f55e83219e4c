// What the peers' echo servers share that has nothing to do with their libraries.
#pragma once

#include <sys/resource.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace peer {

inline constexpr int kBacklog = 4096;

inline int fail(const char* what, const char* why) {
  std::fprintf(stderr, "%s: %s\n", what, why);
  return 1;
}

inline int parse_port(int argc, char** argv) {
  int port = 0;
  if (argc == 2) {
    const char* end = argv[1] + std::strlen(argv[1]);
    const auto [stop, error] = std::from_chars(argv[1], end, port);
    if (error == std::errc{} && stop == end && port >= 0 && port <= 65535) return port;
  }
  std::fprintf(stderr, "%s: usage: %s PORT\n", argv[0], argv[0]);
  std::exit(2);
}

// Every library but libuv's documentation leaves SIGPIPE to the program.
inline void prepare_process() {
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

inline void announce() {
  std::puts("ready");
  std::fflush(stdout);
}

}  // namespace peer
