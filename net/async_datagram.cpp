#include <eddy/core/check.h>
#include <eddy/net/async_datagram.h>

#include <deque>
#include <new>

namespace eddy {

constexpr size_t kMostKept = 64;

struct AsyncDatagram::State {
  Datagram socket;
  std::error_code end = make_error_code(Errc::kClosed);
  std::deque<ReceivedDatagram> kept;
  std::optional<DatagramError> error;
  Receive* receiving = nullptr;
  Send* sending = nullptr;

  void arrived(Slice&& bytes, const DatagramInfo& info) {
    if (receiving != nullptr) {
      receiving->received_ = {std::move(bytes), info};
      return std::exchange(receiving, nullptr)->resume();
    }
    try {
      kept.push_back({std::move(bytes), info});
    } catch (const std::bad_alloc&) {
      return;  // lost, as datagrams may be
    }
    if (kept.size() >= kMostKept) socket.pause();
  }
  // Its bytes are its own still: it tries again.
  void drained() {
    if (sending == nullptr || !sending->try_now()) return;
    std::exchange(sending, nullptr)->resume();
  }
  void ended(std::error_code code) {
    end = code ? code : make_error_code(Errc::kClosed);
    end_one(receiving);
    end_one(sending);
  }
  template <typename Waiting>
  void end_one(Waiting*& waiting) {
    if (waiting == nullptr) return;
    waiting->state_ = nullptr;
    std::exchange(waiting, nullptr)->resume_later(end);
  }
  void close() {
    if (socket.is_open()) socket.close();
    ended({});
  }
};

AsyncDatagram::AsyncDatagram(std::shared_ptr<State> state) : state_(std::move(state)) {}

AsyncDatagram& AsyncDatagram::operator=(AsyncDatagram&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

AsyncDatagram::~AsyncDatagram() {
  if (state_ != nullptr) state_->close();
}

DatagramOptions AsyncDatagram::with_callbacks(const std::shared_ptr<State>& state,
                                              DatagramOptions options) {
  EDDY_REQUIRE(!options.on_datagram && !options.on_error && !options.on_drain && !options.on_close,
               "an AsyncDatagram was given callbacks: coroutines take their place");
  options.on_datagram = [state](Datagram&, Slice bytes, const DatagramInfo& info) {
    state->arrived(std::move(bytes), info);
  };
  options.on_error = [state](Datagram&, const DatagramError& error) { state->error = error; };
  options.on_drain = [state](Datagram&) { state->drained(); };
  options.on_close = [state](Datagram&, std::error_code code) { state->ended(code); };
  return options;
}

Result<AsyncDatagram> AsyncDatagram::made(std::shared_ptr<State> state,
                                          const Result<Datagram>& socket) {
  if (!socket) return std::unexpected(socket.error());
  state->socket = *socket;
  state->end = {};
  return AsyncDatagram(std::move(state));
}

Result<AsyncDatagram> AsyncDatagram::bind(Reactor& reactor, std::string_view address,
                                          DatagramOptions options) {
  auto state = std::make_shared<State>();
  auto socket = Datagram::bind(reactor, address, with_callbacks(state, std::move(options)));
  return made(std::move(state), socket);
}

Result<AsyncDatagram> AsyncDatagram::connect(Reactor& reactor, std::string_view peer,
                                             DatagramOptions options) {
  auto state = std::make_shared<State>();
  auto socket = Datagram::connect(reactor, peer, with_callbacks(state, std::move(options)));
  return made(std::move(state), socket);
}

AsyncDatagram::Receive AsyncDatagram::receive() { return Receive(*state_); }
AsyncDatagram::Send AsyncDatagram::send_to(Slice bytes, const Address& destination) {
  return {*state_, std::move(bytes), destination};
}
AsyncDatagram::Send AsyncDatagram::send(Slice bytes) {
  return {*state_, std::move(bytes), std::nullopt};
}
void AsyncDatagram::close() { state_->close(); }
std::optional<DatagramError> AsyncDatagram::take_error() {
  return std::exchange(state_->error, std::nullopt);
}
Datagram AsyncDatagram::socket() const { return state_->socket; }

bool AsyncDatagram::Receive::await_ready() {
  if (cancelled()) return true;
  EDDY_REQUIRE_ALWAYS(state_->receiving == nullptr,
                      "two coroutines received from one AsyncDatagram at once");
  if (!state_->kept.empty()) {
    received_ = std::move(state_->kept.front());
    state_->kept.pop_front();
    if (!state_->end) state_->socket.resume();
    return true;
  }
  set_code(state_->end);
  return static_cast<bool>(code());
}

void AsyncDatagram::Receive::await_suspend(std::coroutine_handle<> waiting) {
  suspend(waiting);
  state_->receiving = this;
}

void AsyncDatagram::Receive::detach() {
  if (state_ != nullptr && state_->receiving == this) state_->receiving = nullptr;
  state_ = nullptr;
}

bool AsyncDatagram::Send::try_now() {
  return destination_ ? state_->socket.send_to(bytes_, *destination_) : state_->socket.send(bytes_);
}

bool AsyncDatagram::Send::await_ready() {
  if (cancelled()) return true;
  EDDY_REQUIRE_ALWAYS(state_->sending == nullptr,
                      "two coroutines sent by one AsyncDatagram at once");
  set_code(state_->end);
  return code() || try_now();
}

void AsyncDatagram::Send::await_suspend(std::coroutine_handle<> waiting) {
  suspend(waiting);
  state_->sending = this;
}

void AsyncDatagram::Send::detach() {
  if (state_ != nullptr && state_->sending == this) state_->sending = nullptr;
  state_ = nullptr;
}

}  // namespace eddy
