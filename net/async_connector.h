// Making connections in coroutines.
//
//   eddy::AsyncConnector connector(reactor);
//   auto peer = co_await connector.connect("127.0.0.1:7000");
//   if (!peer) co_return report(peer.error());
//
// What it is: a Connector (connector.h), whose connections are awaited: an AsyncStream, or why
// there is none, as `Stream::connect_error` tells it: with the address, or each attempt. A connect
// that is cancelled, or passes a deadline, leaves nothing behind. Ownership: the AsyncStream is the
// caller's. Threads: the reactor's alone.
#pragma once

#include <eddy/net/async_stream.h>
#include <eddy/net/connector.h>
#include <errno.h>

#include <span>
#include <string_view>
#include <utility>

namespace eddy {

class AsyncConnector {
 public:
  class Connect;

  // `options` are those of every connection: see AsyncStream::adopt.
  explicit AsyncConnector(Reactor& reactor, StreamOptions options = {},
                          ConnectOptions connect_options = {})
      : connector_(reactor, AsyncStream::with_callbacks(std::move(options)),
                   std::move(connect_options)) {}

  [[nodiscard]] Connect connect(std::string_view address);  // Result<AsyncStream>
  [[nodiscard]] Connect connect(const Address& address);
  // Whichever connects first; they live as long as the await.
  [[nodiscard]] Connect connect(std::span<const Address> addresses);

 private:
  Connector connector_;
};

class [[nodiscard]] AsyncConnector::Connect final : public AsyncStream::Opening {
 public:
  Connect(Connect&&) = default;
  ~Connect() override { stream_.set_opening(nullptr); }
  bool await_ready() {
    if (cancelled() || !address_) return true;
    auto stream = several_.empty() ? connector_->connect(*address_) : connector_->connect(several_);
    if (!stream) {
      address_ = std::unexpected(stream.error());
      return true;
    }
    stream_ = AsyncStream(*stream);
    return false;
  }
  void await_suspend(std::coroutine_handle<> waiting) {
    suspend(waiting);
    stream_.set_opening(this);
  }
  [[nodiscard]] Result<AsyncStream> await_resume() {
    if (!address_) return std::unexpected(address_.error());
    if (!code()) return std::move(stream_);
    if (!met())
      return std::unexpected<Error>(std::in_place, code(), "connect", address_->to_string());
    return std::unexpected<Error>(std::in_place, code(), "connect", met()->subject(),
                                  met()->advice());
  }

 private:
  friend AsyncConnector;
  Connect(Connector& connector, Result<Address> address, std::span<const Address> several = {})
      : connector_(&connector), address_(std::move(address)), several_(several) {}
  void detach() override { stream_.give_up_opening(); }

  Connector* connector_;
  Result<Address> address_;  // or what was wrong from the beginning
  std::span<const Address> several_;
  AsyncStream stream_;
};

inline AsyncConnector::Connect AsyncConnector::connect(std::string_view address) {
  return {connector_, Address::parse(address)};
}
inline AsyncConnector::Connect AsyncConnector::connect(const Address& address) {
  return {connector_, address};
}
inline AsyncConnector::Connect AsyncConnector::connect(std::span<const Address> addresses) {
  if (addresses.empty()) return {connector_, failure(-EINVAL, "connect")};
  return {connector_, addresses.front(), addresses};
}

}  // namespace eddy
