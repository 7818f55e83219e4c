#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/async_listener.h>
#include <eddy/net/stream_internal.h>

namespace eddy {

AsyncListener::AsyncListener(Reactor& reactor, StreamOptions options)
    : reactor_(reactor),
      kernel_(reactor.kernel()),
      options_(std::make_shared<StreamOptions>(AsyncStream::with_callbacks(std::move(options)))),
      listener_(
          reactor, [this](int descriptor) { on_accept(descriptor); },
          [this](const Error& error) { end(error.code()); }) {}

Result<void> AsyncListener::listen(std::string_view address, const ListenOptions& options) {
  auto listening = listener_.listen(address, options);
  if (listening) end_ = {};
  return listening;
}

Result<void> AsyncListener::listen(const Address& address, const ListenOptions& options) {
  auto listening = listener_.listen(address, options);
  if (listening) end_ = {};
  return listening;
}

void AsyncListener::close() {
  listener_.close();
  end(make_error_code(Errc::kClosed));
}

void AsyncListener::end(std::error_code code) {
  end_ = code;
  if (unawaited_ >= 0) {  // as the kernel does with those in the backlog
    linger_none(kernel_, unawaited_);
    kernel_.close(std::exchange(unawaited_, -1));
  }
  if (accepting_ == nullptr) return;
  accepting_->listener_ = nullptr;
  std::exchange(accepting_, nullptr)->resume_later(code);
}

void AsyncListener::on_accept(int descriptor) {
  if (accepting_ == nullptr) {
    EDDY_INVARIANT(unawaited_ < 0, "a listener that is paused has accepted");
    unawaited_ = descriptor;
    return listener_.pause();
  }
  if (open(descriptor, accepting_->stream_)) std::exchange(accepting_, nullptr)->resume();
}

// False: no memory. That connection is lost, not the listener.
bool AsyncListener::open(int descriptor, AsyncStream& stream) {
  StreamSlot* slot = StreamSlot::make(reactor_, options_, nullptr);
  if (slot != nullptr && slot->begin_accepted(descriptor, listener_.is_tcp()) == 0) {
    stream = AsyncStream(slot->handle());
    return true;
  }
  refuse_connection(reactor_, descriptor);
  return false;
}

bool AsyncListener::Accept::await_ready() {
  if (cancelled()) return true;
  EDDY_REQUIRE_ALWAYS(listener_->accepting_ == nullptr,
                      "two coroutines accepted from one AsyncListener at once");
  if (listener_->unawaited_ >= 0) {
    listener_->listener_.resume();
    if (listener_->open(std::exchange(listener_->unawaited_, -1), stream_)) return true;
  }
  set_code(listener_->end_);
  return static_cast<bool>(code());
}

void AsyncListener::Accept::await_suspend(std::coroutine_handle<> waiting) {
  suspend(waiting);
  listener_->accepting_ = this;
}

}  // namespace eddy
