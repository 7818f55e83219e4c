// The life of a server program: how it begins, is replaced, and ends.
//
// What it is: what ties signals, drain, readiness, socket activation and hot restart together for
// a Server and a PoolServer, so that a program's main stays short (any other kind of server has the
// signals, by `on_drain`, the notices and `take_inherited`):
//
//   eddy::Reactor reactor;
//   eddy::Server server(reactor, {…});
//   eddy::Service service(reactor, {.restart_socket = "unix:/run/app/restart"});
//   if (auto ok = service.listen(server, "0.0.0.0:7000"); !ok) return eddy::report(ok.error());
//   if (auto ok = service.ready(); !ok) return eddy::report(ok.error());
//   return reactor.run();
//
// How it begins. `listen` serves from the sockets that a predecessor hands over (net/succession.h),
// by the address that both were asked to listen on; else from those that the process was started
// with (net/activation.h), whatever their address: the first `listen` takes them all; else from a
// new one. `ready` tells systemd (net/readiness.h) and the predecessor, whose listening ends then.
//
// How it ends. At the first SIGTERM or SIGINT the servers drain: they take no more connections,
// send what is on its way, and what is left at the deadline is reset; at the second the reactor
// stops. When a successor is ready, they take no more either, and serve on those that they have,
// until these end by themselves or have been served on for long enough; then they drain.
//
// Ownership: the servers outlive the Service. Threads: the reactor's alone; made before the program
// has others, since it takes variables out of the environment. It does not keep the reactor
// running.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/activation.h>
#include <eddy/net/listener.h>
#include <eddy/net/readiness.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace eddy {

class PoolServer;
class Reactor;
class Server;

struct ServiceOptions {
  std::chrono::nanoseconds drain{std::chrono::seconds(5)};
  // How long connections are served that stand when a successor is ready.
  std::chrono::nanoseconds serve_on{std::chrono::hours(1)};
  std::string restart_socket{};  // "unix:/run/app/restart"; none: nobody can follow
  // At SIGHUP, between the notices that a reload begins and has ended. Without it SIGHUP is not
  // touched.
  std::function<void()> on_reload{};
  // What else is to end, when a drain begins. Once.
  std::function<void()> on_drain{};
};

class Service {
 public:
  // Keeps an error of its set-up, and gives it to the first call that can return it.
  explicit Service(Reactor& reactor, ServiceOptions options = {});
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Once for each server. The server outlives the Service.
  Result<void> listen(Server& server, std::string_view address, const ListenOptions& options = {});
  Result<void> listen(PoolServer& server, std::string_view address,
                      const ListenOptions& options = {});
  // What the process was started with and no `listen` has taken: the caller's.
  std::vector<InheritedDescriptor> take_inherited();

  // Everything serves.
  Result<void> ready();
  // Somebody served at the restart socket when this began; stays so after `ready`.
  bool has_predecessor() const;
  // Somebody has taken over; stays so.
  bool has_successor() const;
  // As SIGTERM.
  void drain();

  const Readiness& readiness() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace eddy
