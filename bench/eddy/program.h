// What eddy's servers of bench/compare share that the program eddy has no use for: arguments, the
// signal that ends them, and the line of counts that they print then.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/server.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace bench {

struct Arguments {
  std::string address;
  eddy::ReactorOptions reactor;
};

inline Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  const std::string_view backend = argc == 3 ? argv[2] : "";
  unsigned port = 0;
  const char* end = argc == 3 ? argv[1] + std::strlen(argv[1]) : nullptr;
  if (argc != 3 || std::from_chars(argv[1], end, port).ptr != end || port > 65535 ||
      (backend != "epoll" && backend != "uring")) {
    std::fprintf(stderr, "%s: usage: %s PORT epoll|uring\n", argv[0], argv[0]);
    std::exit(2);
  }
  arguments.address = "127.0.0.1:" + std::to_string(port);
  arguments.reactor.backend =
      backend == "epoll" ? eddy::BackendKind::kEpoll : eddy::BackendKind::kUring;
  return arguments;
}

// Runs until SIGTERM.
inline int run(eddy::Reactor& reactor) {
  const auto terminate = reactor.on_signal(SIGTERM, [&reactor](int64_t) { reactor.stop(); });
  if (!terminate) return eddy::report(terminate.error());
  const int status = reactor.run();
  const eddy::Counters& counters = reactor.stats().counters;
  std::printf("bytes=%llu syscalls=%llu copied=%llu\n",
              static_cast<unsigned long long>(counters.bytes_sent),
              static_cast<unsigned long long>(counters.system_calls),
              static_cast<unsigned long long>(counters.copied_bytes + counters.relocated_bytes));
  return status;
}

inline int serve(eddy::Reactor& reactor, eddy::Server& server, const std::string& address,
                 const eddy::ListenOptions& options = {}) {
  if (auto listening = server.listen(address, options); !listening) {
    return eddy::report(listening.error());
  }
  return run(reactor);
}

}  // namespace bench
