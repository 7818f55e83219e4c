// The echo server of one process among several that listen on one port (SO_REUSEPORT): what a pool
// of reactors is compared with.
#include "program.h"

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse_arguments(argc, argv);
  auto opened = eddy::Reactor::open(arguments.reactor);
  if (!opened) return eddy::report(opened.error());
  eddy::Reactor& reactor = **opened;

  eddy::Server server(reactor, {.on_data = [](eddy::Stream& peer, eddy::Slice bytes) {
                        peer.send(std::move(bytes));
                      }});
  return bench::serve(reactor, server, arguments.address, {.reuse_port = true});
}
