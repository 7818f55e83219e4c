// Datagrams in coroutines.
//
//   auto socket = eddy::AsyncDatagram::bind(reactor, "127.0.0.1:7000");
//   while (auto got = co_await socket->receive()) {
//     if (!co_await socket->send_to(std::move(got->bytes), got->info.source)) break;
//   }
//
// What it is: a Datagram (datagram.h), whose callbacks have become awaits. While nobody receives,
// up to 64 datagrams are kept, and the rest waits in the kernel, which drops what it has no room
// for. Results: Errc::kClosed once it is closed; the code of a cancellation, after which the socket
// is as it was. What on_error tells of one datagram ends nothing: `take_error` gives the last of
// it.
//
// Ownership: it owns its socket; destroying it closes that, as `Datagram::close` does. It must not
// outlive its reactor. One coroutine at a time receives, and one sends. It may be moved at any
// time. Threads: the reactor's alone.
#pragma once

#include <eddy/net/await.h>
#include <eddy/net/datagram.h>
#include <stddef.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace eddy {

struct ReceivedDatagram {
  Slice bytes;
  DatagramInfo info;
};

class AsyncDatagram {
 public:
  class Receive;
  class Send;

  AsyncDatagram(AsyncDatagram&&) noexcept = default;
  AsyncDatagram& operator=(AsyncDatagram&& other) noexcept;
  ~AsyncDatagram();

  // As Datagram's. Of `options`: all but the callbacks.
  static Result<AsyncDatagram> bind(Reactor& reactor, std::string_view address,
                                    DatagramOptions options = {});
  static Result<AsyncDatagram> connect(Reactor& reactor, std::string_view peer,
                                       DatagramOptions options = {});

  [[nodiscard]] Receive receive();  // Result<ReceivedDatagram>
  // Queued: at once, or when the queue has room: Result<void>.
  [[nodiscard]] Send send_to(Slice bytes, const Address& destination);
  [[nodiscard]] Send send(Slice bytes);  // to the peer of a connected socket

  void close();
  std::optional<DatagramError> take_error();
  // For what needs no waiting: membership of groups, options. Stale once it has ended.
  Datagram socket() const;

 private:
  struct State;  // what the callbacks find
  explicit AsyncDatagram(std::shared_ptr<State> state);
  static DatagramOptions with_callbacks(const std::shared_ptr<State>& state,
                                        DatagramOptions options);
  static Result<AsyncDatagram> made(std::shared_ptr<State> state, const Result<Datagram>& socket);
  std::shared_ptr<State> state_;
};

class [[nodiscard]] AsyncDatagram::Receive final : public Await {
 public:
  Receive(Receive&&) = default;
  ~Receive() override { Receive::detach(); }
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  [[nodiscard]] Result<ReceivedDatagram> await_resume() {
    if (code()) return std::unexpected<Error>(std::in_place, code(), "receive");
    return std::move(received_);
  }

 private:
  friend AsyncDatagram;
  explicit Receive(State& state) : state_(&state) {}
  void detach() override;

  State* state_;  // null once that need not be there any more
  ReceivedDatagram received_;
};

class [[nodiscard]] AsyncDatagram::Send final : public Await {
 public:
  Send(Send&&) = default;
  ~Send() override { Send::detach(); }
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  [[nodiscard]] Result<void> await_resume() {
    if (code()) return std::unexpected<Error>(std::in_place, code(), "send");
    return {};
  }

 private:
  friend AsyncDatagram;
  Send(State& state, Slice bytes, std::optional<Address> destination)
      : state_(&state), bytes_(std::move(bytes)), destination_(std::move(destination)) {}
  bool try_now();
  void detach() override;

  State* state_;
  Slice bytes_;
  std::optional<Address> destination_;
};

}  // namespace eddy
