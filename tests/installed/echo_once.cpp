// A server and its client in one reactor; ends by itself once the answer has come.
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <eddy/net/tcp_server.h>
#ifdef EDDY_HAS_TLS
#include <eddy/net/tls/context.h>
#endif

int main() {
#ifdef EDDY_HAS_TLS
  if (auto ok = eddy::tls::Context::make({}); !ok) return eddy::report(ok.error());
#endif
  eddy::Reactor reactor;
  eddy::TcpServer server(reactor, {.on_data = [](eddy::Stream& peer, eddy::Slice bytes) {
                           peer.send(std::move(bytes));
                         }});
  if (auto ok = server.listen("127.0.0.1:0"); !ok) return eddy::report(ok.error());
  std::string answer;
  eddy::Connector connector(reactor, {.on_data = [&](eddy::Stream& peer, eddy::Slice bytes) {
                              if ((answer += bytes.view()) != "hello") return;
                              peer.close();
                              server.close();
                            }});
  auto client = connector.connect(*server.local_address());
  if (!client || !client->send("hello")) return 1;
  return reactor.run() == 0 && answer == "hello" ? 0 : 1;
}
