// A server over TCP or a Unix socket: a Listener, and a Stream for each connection.
//
//   eddy::Server server(reactor, {.on_data = [](eddy::Stream& peer, eddy::Slice bytes) {
//     peer.send(std::move(bytes));
//   }});
//   if (auto ok = server.listen("127.0.0.1:7000"); !ok) return eddy::report(ok.error());
//
// Ownership: the server owns its listening socket and its connections: destroying it resets nothing
// but closes them all, without callbacks. It may be destroyed after its reactor, but not used.
// `close` ends listening alone. Threads: the reactor's alone.
#pragma once

#include <eddy/net/listener.h>
#include <eddy/net/stream.h>

#include <atomic>

namespace eddy {

struct ServerOptions {
  size_t max_connections =
      0;  // above it, new ones wait in the backlog; 0 is as many as there are descriptors
  // Accepting has ended for good: the socket is broken, and closed.
  std::function<void(const Error&)> on_error{};
  // Counts the connections of this server too, and perhaps of others, for other threads to read.
  std::atomic<size_t>* shared_count = nullptr;
};

class Server {
 public:
  Server(Reactor& reactor, StreamOptions stream_options, ServerOptions server_options = {});
  // Options that other servers, connectors or adopted streams share.
  Server(Reactor& reactor, SharedStreamOptions stream_options, ServerOptions server_options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "127.0.0.1:7000", port 0 for a free one, which `local_address` tells; "unix:/run/app.sock",
  // "unix:@app". A server listens on one address at a time: else Errc::kListening.
  Result<void> listen(std::string_view address, const ListenOptions& options = {});
  Result<void> listen(const Address& address, const ListenOptions& options = {});
  // A socket that is bound, or listening already, as `Listener::listen_on`.
  Result<void> listen_on(int descriptor, const ListenOptions& options = {});
  // Errc::kClosed while it does not listen.
  Result<Address> local_address() const;
  int descriptor() const;  // of the socket that listens, `Listener::descriptor`
  void keep_path();        // `Listener::keep_path`
  // A connection that somebody else has accepted is this server's from now on; `unread` is received
  // first, and on_open comes in the next turn. `max_connections` does not keep it out. At failure
  // the descriptor is still the caller's.
  Result<Stream> take(int descriptor, Slice unread = {});

  // What waits to be accepted: see Listener.
  Result<Backlog> backlog() const;
  Reactor& reactor() const;

  size_t connections() const;
  // Every open connection (`Stream::is_open`), with its state; not one whose close was asked for,
  // nor one in its on_close. `visit` may close any of them, and the server itself may change.
  void for_each(const std::function<void(Stream&)>& visit);

  // The same bytes to every open connection, without a copy: to how many.
  size_t broadcast(const Slice& bytes);

  // No new connections; those that stand go on, and so does one that was being accepted.
  void close();
  // No new connections, and those that stand close once their queues are empty and their peers have
  // it all: where there may be something that they have not taken, sending ends (shutdown(2)), and
  // what they send is dropped until they end as well. At `deadline` from now at the latest, when
  // the rest is reset.
  void drain(std::chrono::nanoseconds deadline);

 private:
  class Connections;
  std::unique_ptr<Connections> connections_;
};

}  // namespace eddy
