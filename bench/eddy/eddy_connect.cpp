// Connections of one request each on eddy: what comes goes back, and the connection is closed.
#include "program.h"

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse_arguments(argc, argv);
  auto opened = eddy::Reactor::open(arguments.reactor);
  if (!opened) return eddy::report(opened.error());
  eddy::Reactor& reactor = **opened;

  eddy::Server server(reactor, {.on_data = [](eddy::Stream& peer, eddy::Slice bytes) {
                        peer.send(std::move(bytes));
                        peer.close();
                      }});
  return bench::serve(reactor, server, arguments.address);
}
