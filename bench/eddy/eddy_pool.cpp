// The echo server of a pool of two reactors, each on a CPU of its own and with a listening socket
// of its own.
#include <eddy/net/pool_server.h>

#include "program.h"

namespace {

eddy::ReactorPool* running = nullptr;

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse_arguments(argc, argv);
  eddy::ReactorPool pool({.reactors = 2, .pinned = true, .reactor = arguments.reactor});
  eddy::PoolServer server(pool, [](eddy::Reactor&, unsigned) {
    return eddy::StreamOptions{
        .on_data = [](eddy::Stream& peer, eddy::Slice bytes) { peer.send(std::move(bytes)); }};
  });
  running = &pool;
  std::signal(SIGTERM, [](int) { running->stop(); });
  if (auto listening = server.listen(arguments.address); !listening) {
    return eddy::report(listening.error());
  }
  return pool.run();
}
