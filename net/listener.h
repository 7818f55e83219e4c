// A listening socket.
//
// What it is: accepts connections and hands over their descriptors. TcpServer is built on it; use
// it alone to do something else with a connection than a Stream.
//
// It survives what accept(2) can tell: connections that were lost before they were accepted are
// counted and passed over; when descriptors or memory have run out (EMFILE, ENFILE, ENOBUFS,
// ENOMEM) it pauses and tries again, while the connections that stand are served on.
//
// Ownership: the Listener owns its socket; destroying it, or `close`, ends it. It may be destroyed
// after its reactor, which has closed the socket then; nothing else may be done with it. Threads:
// the reactor's alone.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/inline_function.h>
#include <eddy/net/address.h>
#include <stdint.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace eddy {

class Reactor;
class ListenerSlot;

struct ListenOptions {
  int backlog = 4096;  // listen(2): pending connections; the kernel caps it at net.core.somaxconn
  bool reuse_address =
      true;  // SO_REUSEADDR: also while connections of an earlier server linger in TIME-WAIT
  bool reuse_port = false;  // SO_REUSEPORT: several listeners of one address share its connections
  bool v6_only = false;     // IPV6_V6ONLY: "[::]:80" takes no IPv4
  bool no_delay = true;     // TCP_NODELAY, which connections inherit
  uint32_t accepts_per_turn = 64;  // 1 at the least
  std::chrono::nanoseconds retry_after{
      std::chrono::milliseconds(50)};  // when descriptors have run out
};

class Listener {
 public:
  // A non-blocking, close-on-exec descriptor, which is the callee's.
  using OnAccept = InlineFunction<void(int descriptor)>;
  // Accepting has ended for good: the socket is broken, and closed.
  using OnError = InlineFunction<void(const Error&)>;

  Listener(Reactor& reactor, OnAccept on_accept, OnError on_error = {});
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // "127.0.0.1:7000", "[::1]:7000", port 0 for any free one. A Listener listens once at a time:
  // else Errc::kListening.
  Result<void> listen(std::string_view address, const ListenOptions& options = {});
  Result<void> listen(const Address& address, const ListenOptions& options = {});
  // A socket that is bound, or listening already; the Listener owns it, but for a failure. One that
  // is connected is refused with EISCONN.
  Result<void> listen_on(int descriptor, const ListenOptions& options = {});

  bool is_listening() const { return slot_ != nullptr; }
  // Errc::kClosed while it does not listen.
  Result<Address> local_address() const;
  // New connections wait in the backlog until `resume`.
  void pause();
  void resume();
  // How many more may come before `pause`: with as little room as the backlog may fill, they are
  // taken one by one.
  void set_room(size_t connections);
  void close();

 private:
  friend class ListenerSlot;
  struct Callbacks {
    OnAccept on_accept;
    OnError on_error;
  };
  std::unexpected<Error> listens_already(std::string subject) const;

  Reactor& reactor_;
  std::shared_ptr<Callbacks>
      callbacks_;  // the slot's too, so that one of them may destroy the Listener
  size_t room_ = SIZE_MAX;
  ListenerSlot* slot_ = nullptr;
};

}  // namespace eddy
