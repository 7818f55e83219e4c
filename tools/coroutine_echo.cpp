#include "coroutine_echo.h"

#include <eddy/core/reactor.h>

#include <utility>

namespace eddy::tools {

Result<void> CoroutineEcho::listen(std::string_view address, const ListenOptions& options) {
  auto listening = listener_.listen(address, options);
  if (listening) scope_.spawn(accept_all());
  return listening;
}

Task<> CoroutineEcho::accept_all() {
  while (auto peer = co_await listener_.accept()) scope_.spawn(echo(std::move(*peer)));
}

Task<> CoroutineEcho::echo(AsyncStream peer) {
  while (auto bytes = co_await peer.receive()) {
    if (!co_await peer.send(std::move(*bytes))) break;
  }
}

// Each connection closes as its coroutine ends, once its queue is empty.
void CoroutineEcho::drain(std::chrono::nanoseconds deadline) {
  listener_.close();
  scope_.cancel();
  reactor_.start_timer(deadline, [this] { reactor_.stop(); }, {.referenced = false});
}

}  // namespace eddy::tools
