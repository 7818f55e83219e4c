#include <eddy/core/reactor.h>
#include <eddy/net/tcp_server.h>

int main() {
  eddy::Reactor reactor;  // io_uring where the kernel allows it, else epoll
  eddy::TcpServer server(
      reactor, {.on_data = [](eddy::Stream& peer, eddy::Slice bytes) {
        peer.send(std::move(bytes));  // the slice the kernel filled is the slice it sends: no copy
      }});
  if (auto ok = server.listen("127.0.0.1:7000"); !ok) return eddy::report(ok.error());
  return reactor.run();
}
