// A UDP echo on eddy in which datagrams of one sender that arrived together come as one and go back
// as one (UDP_GRO and UDP_SEGMENT, udp(7)): on the wire they are what they were.
#include <eddy/net/datagram.h>

#include "program.h"

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse_arguments(argc, argv);
  auto opened = eddy::Reactor::open(arguments.reactor);
  if (!opened) return eddy::report(opened.error());
  eddy::Reactor& reactor = **opened;

  const auto socket = eddy::Datagram::bind(
      reactor, arguments.address,
      {.on_datagram =
           [](eddy::Datagram& self, eddy::Slice bytes, const eddy::DatagramInfo& info) {
             self.send_to(std::move(bytes), info.source, {.segment_bytes = info.segment_bytes});
           },
       .want_segments = true});
  if (!socket) return eddy::report(socket.error());
  return bench::run(reactor);
}
