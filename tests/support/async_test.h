// The fixture of suites about coroutines: a scope on the reactor under test, and journals of
// values.
#pragma once

#include <eddy/net/async_connector.h>
#include <eddy/net/async_listener.h>
#include <eddy/net/async_stream.h>
#include <eddy/net/async_timer.h>
#include <eddy/net/scope.h>

#include <optional>
#include <string>
#include <system_error>

#include "peer.h"
#include "reactor_test.h"

namespace eddy::test {

inline const std::error_code kCanceled = std::make_error_code(std::errc::operation_canceled);

template <typename T>
std::error_code code_of(const Result<T>& result) {
  return result ? std::error_code() : result.error().code();
}

class AsyncTest : public ReactorTest {
 protected:
  Scope& scope() {
    if (!scope_) scope_.emplace(reactor());
    return *scope_;
  }
  void destroy_scope() { scope_.reset(); }

  // Until every child of the scope has ended.
  bool run_scope() {
    return run_until([&] { return scope().size() == 0; });
  }

  // An AsyncStream whose other side is `peer`.
  AsyncStream connected() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer = Peer(fds[1]);
    auto adopted = AsyncStream::adopt(reactor(), fds[0], std::move(limits));
    EXPECT_TRUE(adopted);
    return adopted ? std::move(*adopted) : AsyncStream();
  }

  void TearDown() override {
    scope_.reset();
    peer.close();
    ReactorTest::TearDown();
  }

  Peer peer;
  // Of the stream of `connected`.
  StreamOptions limits{};

 private:
  std::optional<Scope> scope_;
};

}  // namespace eddy::test
