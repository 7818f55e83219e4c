// A listening socket: of TCP, or a Unix socket (unix(7)).
//
// What it is: accepts connections and hands over their descriptors. Server is built on it; use
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
#include <eddy/net/socket_options.h>
#include <stdint.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eddy {

class Reactor;
class ListenerSlot;

// What does not concern the address's family is left aside.
struct ListenOptions {
  int backlog = 4096;  // listen(2): pending connections; the kernel caps it at net.core.somaxconn
  bool reuse_address =
      true;  // SO_REUSEADDR: also while connections of an earlier server linger in TIME-WAIT
  bool reuse_port = false;  // SO_REUSEPORT: several listeners of one address share its connections
  bool v6_only = false;     // IPV6_V6ONLY: "[::]:80" takes no IPv4
  bool no_delay = true;     // TCP_NODELAY, which connections inherit
  // A Unix socket's path. A socket file that is there, and to which connecting is refused, was left
  // by a program that has ended: it is removed. What a program listens on (which sees a connection
  // that ends at once) is EADDRINUSE, and so is a file that is no socket. Two servers that start at
  // the same moment on one path may take it from one another.
  bool remove_stale_path = true;
  bool multipath = false;  // MPTCP (RFC 8684): its clients may come by several paths, others by TCP
  // Set on the socket before it is bound; connections inherit most of TCP's.
  std::vector<SocketSetting> settings{};
  std::optional<uint32_t> path_mode{};  // who may connect: chmod(2); none: 0777 less the umask
  bool seqpacket = false;  // a Unix socket of messages: for SeqpacketServer (net/seqpacket.h)
  uint32_t accepts_per_turn = 64;  // 1 at the least
  std::chrono::nanoseconds retry_after{
      std::chrono::milliseconds(50)};  // when descriptors have run out
};

// The queue of a listening TCP socket (listen(2)): connections that stand, and that nobody has
// accepted yet.
struct Backlog {
  uint32_t waiting = 0;
  uint32_t limit = 0;  // one more than this may wait
  // Of what clients sent to be connected: dropped because the queue was full, for the most part
  // (tcp_listendrop in include/net/tcp.h). A client is told nothing, and tries again after a
  // second, after three, after seven, …; so one client may count several times.
  uint32_t dropped = 0;
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

  // "127.0.0.1:7000", "[::1]:7000", port 0 for any free one; "unix:/run/app.sock", "unix:@app". A
  // Listener listens once at a time: else Errc::kListening. The file that a path is goes when the
  // Listener closes, if it is still the one that was made here, and not in a child of fork(2).
  Result<void> listen(std::string_view address, const ListenOptions& options = {});
  Result<void> listen(const Address& address, const ListenOptions& options = {});
  // A socket that is bound, or listening already; the Listener owns it, but for a failure. One that
  // is connected is refused with EISCONN.
  Result<void> listen_on(int descriptor, const ListenOptions& options = {});

  bool is_listening() const;
  // Of TCP; false for a Unix socket, and while it does not listen.
  bool is_tcp() const;
  // From now on closing leaves the path where it is: another process has the socket too, and goes
  // on listening.
  void keep_path();
  int descriptor() const;  // stays the Listener's; -1 while it does not listen
  // Errc::kClosed while it does not listen.
  Result<Address> local_address() const;
  // Errc::kClosed while it does not listen, EOPNOTSUPP for a Unix socket.
  Result<Backlog> backlog() const;
  Reactor& reactor() const { return reactor_; }
  // New connections wait in the backlog until `resume`.
  void pause();
  void resume();
  // How many more may come before `pause`: with as little room as the backlog may fill, they are
  // taken one by one.
  void set_room(size_t connections);
  // Takes no more, hands over what the kernel has taken for it already, and closes: of a socket
  // that another process listens on as well, no connection is lost between the two. `finished`
  // comes last, not from inside the call, unless the Listener is destroyed before.
  void finish(InlineFunction<void()> finished = {});
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
