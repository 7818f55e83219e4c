// An echo server on all cores, whose connections are drained at SIGTERM, and which may be replaced
// while it serves: start it again, and the new one takes over.
#include <eddy/core/reactor.h>
#include <eddy/net/pool_server.h>
#include <eddy/net/reactor_pool.h>
#include <eddy/net/service.h>

int main() {
  eddy::Reactor reactor;  // of this thread: for signals and the successor
  eddy::ReactorPool pool;
  eddy::PoolServer server(pool, [](eddy::Reactor&, unsigned) {
    return eddy::StreamOptions{
        .on_data = [](eddy::Stream& peer, eddy::Slice bytes) { peer.send(std::move(bytes)); }};
  });
  eddy::Service service(reactor, {.restart_socket = "unix:@many_cores.restart"});
  pool.on_end([&] { reactor.stop(); });
  if (auto ok = service.listen(server, "127.0.0.1:7000"); !ok) return eddy::report(ok.error());
  if (auto ok = pool.start(); !ok) return eddy::report(ok.error());
  if (auto ok = service.ready(); !ok) return eddy::report(ok.error());
  reactor.ref();
  const int status = reactor.run();
  pool.stop();
  const auto ended = pool.join();
  return ended ? status : eddy::report(ended.error());
}
