#include "termination.h"

#include <eddy/core/reactor.h>
#include <signal.h>

#include <memory>
#include <utility>

namespace eddy::tools {

Result<void> on_termination(Reactor& reactor, std::function<void()> wind_down,
                            std::function<void()> end) {
  if (!end) end = [&reactor] { reactor.stop(); };
  // Both signals count as one: SIGINT and then SIGTERM is a second request.
  const auto first = std::make_shared<std::function<void()>>(std::move(wind_down));
  for (const int signal_number : {SIGINT, SIGTERM}) {
    auto watch = reactor.on_signal(signal_number, [first, end](int64_t) {
      if (!*first) return end();
      const auto call = std::exchange(*first, nullptr);
      call();
    });
    if (!watch) return std::unexpected(watch.error());
    watch->set_keeps_alive(false);
  }
  return {};
}

}  // namespace eddy::tools
