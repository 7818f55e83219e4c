// eddy echo --coroutine: the same server, a coroutine for each connection.
#pragma once

#include <eddy/net/async_listener.h>
#include <eddy/net/scope.h>

#include <chrono>
#include <string_view>

namespace eddy::tools {

class CoroutineEcho {
 public:
  explicit CoroutineEcho(Reactor& reactor)
      : reactor_(reactor), listener_(reactor), scope_(reactor) {}
  Result<void> listen(std::string_view address, const ListenOptions& options);
  Result<Address> local_address() const { return listener_.local_address(); }
  // As Server's.
  void drain(std::chrono::nanoseconds deadline);

 private:
  Task<> accept_all();
  static Task<> echo(AsyncStream peer);

  Reactor& reactor_;
  AsyncListener listener_;
  Scope scope_;
};

}  // namespace eddy::tools
