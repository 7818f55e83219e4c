// How the commands stop.
#pragma once

#include <eddy/core/error.h>

#include <functional>

namespace eddy {
class Reactor;
}

namespace eddy::tools {

// At the first SIGINT or SIGTERM, calls `wind_down` on the reactor's thread; at each further one
// `end`, or, where there is none, stops the reactor at once. Waiting for signals does not keep the
// reactor running.
Result<void> on_termination(Reactor& reactor, std::function<void()> wind_down,
                            std::function<void()> end = {});

}  // namespace eddy::tools
