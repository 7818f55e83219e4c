// A broadcast on eddy: when a byte comes, from anybody, all get the same 16 KiB, one Slice.
#include <sys/resource.h>

#include "../client/pattern.h"
#include "program.h"

namespace {

constexpr size_t kMessageSize = 16 * 1024;

void raise_descriptor_limit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse_arguments(argc, argv);
  raise_descriptor_limit();
  auto opened = eddy::Reactor::open(arguments.reactor);
  if (!opened) return eddy::report(opened.error());
  eddy::Reactor& reactor = **opened;

  const bench::Pattern pattern(kMessageSize);
  const auto message = eddy::Slice::of_static({pattern.at(0), kMessageSize});
  eddy::Server server(reactor, {.on_data = [&](eddy::Stream&, eddy::Slice) {
                        server.for_each([&](eddy::Stream& peer) { peer.send(message); });
                      }});
  return bench::serve(reactor, server, arguments.address);
}
