// The echo server by coroutines: one for each connection, and one that accepts.
#include <eddy/core/reactor.h>
#include <eddy/net/async_listener.h>
#include <eddy/net/scope.h>

#include <utility>

namespace {

eddy::Task<> echo(eddy::AsyncStream peer) {
  while (auto bytes = co_await peer.receive()) {
    if (!co_await peer.send(std::move(*bytes))) break;  // no copy here either
  }
}

eddy::Task<> serve(eddy::AsyncListener& listener, eddy::Scope& scope) {
  while (auto peer = co_await listener.accept()) scope.spawn(echo(std::move(*peer)));
}

}  // namespace

int main() {
  eddy::Reactor reactor;
  eddy::AsyncListener listener(reactor);
  if (auto ok = listener.listen("127.0.0.1:7000"); !ok) return eddy::report(ok.error());
  eddy::Scope scope(reactor);  // every coroutine in it ends with it
  scope.spawn(serve(listener, scope));
  return reactor.run();
}
