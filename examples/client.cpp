// client HOST:PORT TEXT: sends the text, then the end of input, and prints what comes back.
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <stdio.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s HOST:PORT TEXT\n", argv[0]);
    return 2;
  }
  eddy::Reactor reactor;
  int status = 0;
  const auto print = [](eddy::Stream&, const eddy::Slice& bytes) {
    fwrite(bytes.data(), 1, bytes.size(), stdout);
  };
  const auto closed = [&](eddy::Stream&, std::error_code code) {
    if (!code) return;
    fprintf(stderr, "%s: %s\n", argv[1], code.message().c_str());
    status = 1;
  };
  // Without an on_end the stream closes by itself when the server has finished sending.
  eddy::Connector connector(reactor, {.on_data = print, .on_close = closed});

  auto server = connector.connect(argv[1]);
  if (!server) return eddy::report(server.error());
  // Both wait until the connection stands.
  server->send(argv[2]);
  server->shutdown_write();
  const int failed = reactor.run();  // returns when the connection has closed: nothing else is left
  return failed != 0 ? failed : status;
}
