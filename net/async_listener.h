// A listening socket in coroutines.
//
//   eddy::Task<> serve(eddy::AsyncListener& listener, eddy::Scope& scope) {
//     while (auto peer = co_await listener.accept()) scope.spawn(echo(std::move(*peer)));
//   }
//
// What it is: a Listener (listener.h), whose connections are awaited. While nobody does, they wait
// in the backlog, but for one. Results: an AsyncStream; Errc::kClosed once it does not listen; what
// has ended listening for good; the code of a cancellation, after which it listens as before. What
// concerns one connection alone, or passes, is survived, and never told here.
//
// Ownership: as a Listener's; it may be destroyed after its reactor, while no coroutine awaits it.
// One coroutine at a time accepts. Threads: the reactor's alone.
#pragma once

#include <eddy/net/async_stream.h>
#include <eddy/net/listener.h>

#include <memory>
#include <string_view>

namespace eddy {

class Kernel;

class AsyncListener {
 public:
  class Accept;

  // `options` are those of every connection: see AsyncStream::adopt.
  explicit AsyncListener(Reactor& reactor, StreamOptions options = {});
  ~AsyncListener() { close(); }
  AsyncListener(const AsyncListener&) = delete;
  AsyncListener& operator=(const AsyncListener&) = delete;

  // As Listener's.
  Result<void> listen(std::string_view address, const ListenOptions& options = {});
  Result<void> listen(const Address& address, const ListenOptions& options = {});
  Result<Address> local_address() const { return listener_.local_address(); }

  [[nodiscard]] Accept accept();  // Result<AsyncStream>

  void close();

 private:
  void on_accept(int descriptor);
  void end(std::error_code code);
  bool open(int descriptor, AsyncStream& stream);

  Reactor& reactor_;
  Kernel& kernel_;  // which outlives the reactor
  std::shared_ptr<StreamOptions> options_;
  Listener listener_;
  Accept* accepting_ = nullptr;
  int unawaited_ = -1;  // the connection that came while nobody waited
  std::error_code end_ = make_error_code(Errc::kClosed);
};

class [[nodiscard]] AsyncListener::Accept final : public Await {
 public:
  Accept(Accept&&) = default;
  ~Accept() override { Accept::detach(); }
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  [[nodiscard]] Result<AsyncStream> await_resume() {
    if (code()) return std::unexpected<Error>(std::in_place, code(), "accept");
    return std::move(stream_);
  }

 private:
  friend AsyncListener;
  explicit Accept(AsyncListener& listener) : listener_(&listener) {}
  void detach() override {
    if (listener_ != nullptr && listener_->accepting_ == this) listener_->accepting_ = nullptr;
    listener_ = nullptr;
  }

  AsyncListener* listener_;  // null once that need not be there any more
  AsyncStream stream_;
};

inline AsyncListener::Accept AsyncListener::accept() { return Accept(*this); }

}  // namespace eddy
