// Hot restart: the next process takes the listening sockets over, and no connection is lost.
//
// What it is: two sides of one short conversation over a Unix socket (SOCK_SEQPACKET), the control
// socket, by which the process that serves hands its listening sockets to the one that is to
// follow. These are the very sockets (SCM_RIGHTS, unix(7)), so what waits in their backlogs is not
// touched, and a connection that comes meanwhile goes to the one or to the other.
//
//   the one that serves (Succession)        its successor (Predecessor)
//                                           connects, and says which version it speaks
//   sends the control socket, then
//   its listening sockets and their names
//                                           listens on them, sets up what it needs, and says that
//                                           it is ready
//   takes no more connections, serves
//   on those it has, and ends
//
// A successor that ends, or does not become ready in time, changes nothing: the one that serves
// goes on, and may be asked again.
//
// Each side deals with processes of its own effective user and of root alone (SO_PEERCRED,
// unix(7)), whatever the mode of the control socket's path. Any user may take an abstract name
// first: nobody then follows, or is followed, by that name. A path in a folder of one's own is safe
// from that.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/watch.h>
#include <eddy/net/address.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace eddy {

class Kernel;
class Reactor;

struct NamedSocket {
  std::string name;  // without line breaks
  int descriptor = -1;
};

// The side of the process that serves. Threads: the reactor's alone; it does not keep the reactor
// running.
class Succession {
 public:
  struct Events {
    // What a successor is to have; the descriptors stay the caller's.
    std::function<std::vector<NamedSocket>()> sockets;
    // The successor is ready: take no more connections. The last event.
    std::function<void()> succeeded;
    // A successor had asked, and did not become ready. Errc::kTimedOut; ECONNRESET if it has ended.
    std::function<void(const Error&)> failed{};
  };
  Succession(Reactor& reactor, Events events,
             std::chrono::nanoseconds patience = std::chrono::minutes(1));
  ~Succession();
  Succession(const Succession&) = delete;
  Succession& operator=(const Succession&) = delete;

  // "unix:/run/app/restart" or "unix:@app.restart". A path that an earlier process left is
  // replaced.
  Result<void> listen(const Address& control);
  // The control socket that a Predecessor has handed over, which is the Succession's from now on.
  Result<void> listen_on(int descriptor);
  // No successor any more; the control socket's path is removed.
  void close();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// The side of the successor: a program that begins. Its functions wait, so before the reactor runs.
class Predecessor {
 public:
  // Asks whoever serves there for its sockets. Nobody, if nobody listens there: `is_there` tells.
  // EACCES, if it is another user's.
  static Result<Predecessor> find(Kernel& kernel, const Address& control,
                                  std::chrono::nanoseconds patience = std::chrono::seconds(10));
  Predecessor(Predecessor&& other) noexcept;
  Predecessor& operator=(Predecessor&&) = delete;
  ~Predecessor();  // closes what was not taken; the predecessor, if it was not told, serves on

  bool is_there() const { return connection_ >= 0; }
  // Those of that name, which are the caller's from now on.
  std::vector<int> take(std::string_view name);
  // For Succession::listen_on.
  int take_control();
  // Tells it that this process serves. Nothing happens if there is none, or it has ended.
  void ready();

 private:
  explicit Predecessor(Kernel& kernel) : kernel_(&kernel) {}
  Result<void> ask(const Address& control);

  Kernel* kernel_;
  int connection_ = -1;
  std::vector<NamedSocket> sockets_;  // the first is the control socket
};

}  // namespace eddy
