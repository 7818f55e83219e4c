// A server on every reactor of a pool.
//
// What it is: one address, or several, and a Server in each thread for the connections that are
// that thread's. How a connection comes to a reactor is said by Accepting.
//
//   eddy::ReactorPool pool({.pinned = true});
//   eddy::PoolServer server(pool, [](eddy::Reactor&, unsigned) {
//     return eddy::StreamOptions{.on_data = …};
//   });
//   if (auto ok = server.listen("127.0.0.1:7000"); !ok) return eddy::report(ok.error());
//   return pool.run();
//
// Ownership: each reactor's connections and listening sockets are that reactor's, and end with it.
// The PoolServer keeps each listening socket open beside them (dup(2)), for `sockets`, until
// `close` or `drain`, or its own end; it may be destroyed before the pool, which then serves on.
//
// A reactor ends, and its thread with it, once it listens no more and its connections have ended.
//
// Threads: made, and `listen` called, in the pool's thread, before it starts. The rest from any
// thread, while the pool is there.
#pragma once

#include <eddy/core/slice.h>
#include <eddy/net/reactor_pool.h>
#include <eddy/net/server.h>

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace eddy {

enum class Accepting : uint8_t {
  // Each reactor has a listening socket of its own, and the kernel chooses among them by a hash of
  // the peer's address (SO_REUSEPORT, socket(7)): nothing is handed over, and many connections come
  // out about even, a few do not. A Unix socket's reactors accept from the one socket, as they
  // come.
  kByEach,
  // The first reactor accepts, and hands each connection to the next reactor in turn …
  kInTurn,
  // … or to the one that has the fewest.
  kByFewest,
};

struct PoolServerOptions {
  Accepting accepting = Accepting::kByEach;
  // Of each reactor's Server; a cap on connections is kept by kByEach alone, for each listening
  // socket.
  ServerOptions server{};
};

class PoolServer {
 public:
  // Called in each reactor's thread: the callbacks of its connections. What they share must bear
  // several threads; what they make here is their reactor's alone.
  using MakeStreamOptions = std::function<StreamOptions(Reactor&, unsigned index)>;

  PoolServer(ReactorPool& pool, MakeStreamOptions stream_options, PoolServerOptions options = {});
  ~PoolServer();
  PoolServer(const PoolServer&) = delete;
  PoolServer& operator=(const PoolServer&) = delete;

  // Binds and listens at once; connections wait in the backlog until the pool starts. May be called
  // for several addresses. Errc::kClosed, if the pool has no reactors; its `start` tells why.
  Result<void> listen(std::string_view address, const ListenOptions& options = {});
  Result<void> listen(const Address& address, const ListenOptions& options = {});
  // Sockets that somebody else has bound (net/activation.h, net/succession.h), and that are the
  // PoolServer's from now on: they are dealt out to the reactors; where there are fewer of them,
  // several reactors accept from one. At failure they stay the caller's.
  Result<void> listen_on(const std::vector<int>& descriptors, const ListenOptions& options = {});
  // Of the first socket. Errc::kClosed if there is none.
  Result<Address> local_address() const;
  // `Listener::keep_path`, of all.
  void keep_path();
  // All that listen. They stay the PoolServer's.
  std::vector<int> sockets() const;

  size_t connections() const;  // about: other threads are at work meanwhile

  // The same bytes to every open connection of every reactor. Nobody copies them: each reactor's
  // streams send slices of these.
  void broadcast(const SharedBytes& bytes);
  // Calls `visit` for every open connection, in the threads of their reactors, some time later.
  void for_each(const std::function<void(Stream&)>& visit);
  // Moves a connection to another reactor (net/move_stream.h), of whose Server it is then one.
  void move(const Stream& stream, unsigned to,
            std::move_only_function<void(Result<Stream>)> arrived = {});

  // No new connections; those that stand go on, and no connection that was taken is lost.
  void close();
  // `Server::drain` in all of them.
  void drain(std::chrono::nanoseconds deadline);

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace eddy
