// Making connections.
//
// What it is: each `connect` makes a socket of its own and a Stream over it, with the connector's
// callbacks: on_open when the connection stands, or on_close with the reason why it does not
// (ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL, Errc::kTimedOut). A socket whose connect
// failed is closed and never tried again (connect(2), "Notes"): every attempt has a new one.
//
// What is sent before the connection stands waits in its queue. Closing or resetting the Stream
// before that ends whatever is under way; it has no descriptor while several attempts are possible.
//
// A Unix socket is connected at once or not at all: ENOENT where there is no such path,
// ECONNREFUSED where nobody listens, EACCES where one may not write to it, EPROTOTYPE where it is
// of another kind than stream, and EAGAIN where the backlog is full (unix(7), connect(2)).
//
// Ownership: the connections are the reactor's; destroying the Connector, which may come after the
// reactor's own end, leaves them. Threads: the reactor's alone.
#pragma once

#include <eddy/net/socket_options.h>
#include <eddy/net/source_range.h>
#include <eddy/net/stream.h>
#include <stdint.h>

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace eddy {

class Resolver;
struct ConnectPlan;
struct ResolveHints;

// When all addresses have failed, they are tried again, `limit` times at the most.
struct RetryOptions {
  uint64_t limit = 0;
  // Before the first retry; twice as long before each that follows, and never longer than …
  std::chrono::nanoseconds first_delay{std::chrono::milliseconds(100)};
  std::chrono::nanoseconds longest_delay{std::chrono::seconds(30)};
  // Of each delay, this part is left to chance, from 0 to 1, so that clients which lost a server
  // together do not come back together.
  double jitter = 0.5;
};

struct ConnectOptions {
  // Of each attempt; 0: the kernel's own, some two minutes.
  std::chrono::nanoseconds timeout{std::chrono::seconds(10)};
  // Of all attempts and the waits between them, after which the stream ends with Errc::kTimedOut; 0
  // is never.
  std::chrono::nanoseconds total_timeout{0};
  RetryOptions retry{};
  // Of several addresses, the next one is tried when the last has failed, or has not answered for
  // so long (RFC 8305, section 5: from 10 ms to 2 s, else the nearest of these).
  std::chrono::nanoseconds attempt_delay{std::chrono::milliseconds(250)};
  // The connector's connections take the sources in turn. One whose ports have run out
  // (EADDRNOTAVAIL, EADDRINUSE) is passed over: each is tried once for an attempt, at most 256 of
  // them. Ports that the kernel chooses are chosen when the peer is known, so that a port serves
  // for several peers (ip(7), IP_BIND_ADDRESS_NO_PORT). A Unix socket's path stays when its
  // connection ends, and is the user's to remove.
  SourceRange source{};
  bool multipath = false;  // MPTCP (RFC 8684), which falls back to TCP where the peer has none
  // Set on each socket before anything else, such as what has to be there before the first packet.
  std::vector<SocketSetting> settings{};
  // Called for each attempt that fails, with its address: so that a retry is not silent. Also after
  // `close` and `close_confirmed`, as long as what is queued waits for a connection. May close or
  // reset the stream.
  std::function<void(Stream&, const Error&)> on_attempt_failed{};
};

class Connector {
 public:
  Connector(Reactor& reactor, StreamOptions stream_options, ConnectOptions connect_options = {});
  // Options that other connectors, servers or adopted streams share.
  Connector(Reactor& reactor, SharedStreamOptions stream_options,
            ConnectOptions connect_options = {});

  // Fails at once for what is no address, and, where there is but one attempt, when no socket can
  // be had; else the outcome comes by callbacks.
  Result<Stream> connect(std::string_view address);
  Result<Stream> connect(const Address& address);
  // Whichever of them connects first (RFC 8305), the others are closed. They are tried in
  // `interleave_families` order. EINVAL if there is none.
  Result<Stream> connect(std::span<const Address> addresses);
  // … of a name, as its resolver gives them: "example.org" and "https". Fails at once for what is
  // no name. One that is not found ends in on_close with the resolver's error, and is not asked for
  // again; so does a resolver that is destroyed meanwhile, with ECANCELED. `total_timeout` counts
  // from here.
  Result<Stream> connect(Resolver& resolver, std::string_view host, std::string_view service);
  Result<Stream> connect(Resolver& resolver, std::string_view host, std::string_view service,
                         const ResolveHints& hints);

 private:
  Result<Stream> connect_once(const Address& address);
  Result<Stream> connect_by_attempts(std::span<const Address> addresses);

  Reactor& reactor_;
  std::shared_ptr<StreamOptions> stream_options_;
  std::shared_ptr<ConnectPlan> plan_;
};

// The order in which several addresses are tried: families take turns, beginning with the first
// address's; within a family the order stays (RFC 8305, section 4).
std::vector<Address> interleave_families(std::span<const Address> addresses);

}  // namespace eddy
