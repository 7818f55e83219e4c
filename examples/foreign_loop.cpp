// foreign_loop HOST:PORT: an echo server inside another loop, which has more to wait for.
//
// The other loop is one over poll(2), and its own thing is the standard input: each line prints how
// many connections there are, and its end ends the program. Qt's, GLib's or libuv's loop takes a
// reactor in the same three steps.
#include <eddy/core/reactor.h>
#include <eddy/net/server.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace {

// How long poll(2) may sleep, in its milliseconds. Rounded up: a timer is never early.
int timeout_ms(eddy::Reactor& reactor) {
  const auto deadline = reactor.next_deadline();
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - reactor.now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

}  // namespace

int main(int argc, char** argv) {
  eddy::Reactor reactor;
  eddy::Server server(reactor, {.on_data = [](eddy::Stream& peer, eddy::Slice bytes) {
                        peer.send(std::move(bytes));
                      }});
  if (auto ok = server.listen(argc > 1 ? argv[1] : "127.0.0.1:7000"); !ok) {
    return eddy::report(ok.error());
  }
  fprintf(stderr, "listening on %s\n", server.local_address()->to_string().c_str());

  for (;;) {
    // 1. The reactor starts what was asked for. It may have something to do at once.
    const bool busy = reactor.prepare();
    // 2. The other loop sleeps, until the reactor's descriptor or one of its own is readable.
    pollfd waiting[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                        {.fd = reactor.poll_fd(), .events = POLLIN}};
    poll(waiting, 2, busy ? 0 : timeout_ms(reactor));
    // 3. The reactor does what there is to do, without waiting.
    if (auto turn = reactor.run_once(std::chrono::nanoseconds(0)); !turn) {
      return eddy::report(turn.error());
    }

    if (waiting[0].revents != 0) {
      char line[256];
      if (read(STDIN_FILENO, line, sizeof line) <= 0) return 0;
      printf("%zu connections\n", server.connections());
      fflush(stdout);
    }
  }
}
