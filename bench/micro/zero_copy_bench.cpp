// What a zero-copy send costs where it is in vain: on loopback, where the kernel copies after all.
//
// Sender and receiver are one thread, so the time is all that both cost. `bare` is a loop of system
// calls, with ordinary sends, and with MSG_ZEROCOPY for each and what notifications there are read.
// `reactor` is a stream of eddy's that sends the same, with zero_copy_bytes 0 and 1.
#include <benchmark/benchmark.h>
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <eddy/net/server.h>
#include <time.h>  // which the next one lacks

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace eddy {
namespace {

// Two ends of a connection, which block.
struct Ends {
  int from = -1;
  int to = -1;
  Ends() {
    const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    bind(listening, name, length);
    listen(listening, 1);
    getsockname(listening, name, &length);
    from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(from, name, length);
    to = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    close(listening);
  }
  ~Ends() {
    close(from);
    close(to);
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
};

// How many notifications there are now, merged ones counted each.
uint32_t read_notifications(int fd) {
  uint32_t count = 0;
  for (;;) {
    alignas(cmsghdr) char control[128];
    msghdr message = {};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0) return count;
    sock_extended_err told;
    memcpy(&told, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof told);
    count += told.ee_data - told.ee_info + 1;
  }
}

void bare(benchmark::State& state) {
  const bool in_place = state.range(0) != 0;
  const auto size = static_cast<size_t>(state.range(1));
  const std::string bytes(size, 'x');
  std::vector<char> room(size);
  const Ends ends;
  const int on = 1;
  if (in_place) setsockopt(ends.from, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on);
  for (auto _ : state) {
    const ssize_t sent = send(ends.from, bytes.data(), size, in_place ? MSG_ZEROCOPY : 0);
    if (sent != static_cast<ssize_t>(size)) return state.SkipWithError("send");
    recv(ends.to, room.data(), size, MSG_WAITALL);
    if (in_place) benchmark::DoNotOptimize(read_notifications(ends.from));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(size));
  state.SetLabel(in_place ? "zero-copy" : "ordinary");
}
BENCHMARK(bare)
    ->ArgNames({"zero_copy", "bytes"})
    ->ArgsProduct({{0, 1}, {4096, 16384, 65536, 262144}});

void reactor(benchmark::State& state) {
  ReactorOptions options;
  options.backend = static_cast<BackendKind>(state.range(0));
  options.zero_copy_bytes = static_cast<uint32_t>(state.range(1));
  const auto size = static_cast<size_t>(state.range(2));
  Reactor loop(options);
  size_t received = 0;
  Server server(loop, {.on_data = [&](Stream&, Slice bytes) { received += bytes.size(); }});
  if (!server.listen("127.0.0.1:0")) return state.SkipWithError("listen");
  Connector connector(loop, {});
  auto stream = connector.connect(*server.local_address());
  if (!stream) return state.SkipWithError("connect");
  const Slice bytes = Slice::adopt(std::string(size, 'x'));
  for (auto _ : state) {
    received = 0;
    stream->send(bytes);
    while (received < size) loop.run_once().value();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(size));
  state.counters["in_place"] = static_cast<double>(loop.stats().counters.zero_copy_sends);
  state.SetLabel(to_string(loop.backend().kind));
}
BENCHMARK(reactor)
    ->ArgNames({"backend", "zero_copy_bytes", "bytes"})
    ->ArgsProduct({{static_cast<int>(BackendKind::kEpoll), static_cast<int>(BackendKind::kAuto)},
                   {0, 1},
                   {4096, 16384, 65536, 262144}});

}  // namespace
}  // namespace eddy
