// Making connections.
//
// What it is: each `connect` makes a socket of its own and a Stream over it, with the connector's
// callbacks: on_open when the connection stands, or on_close with the reason why it does not
// (ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL, Errc::kTimedOut). A socket whose connect
// failed is closed and never tried again (connect(2), "Notes").
//
// What is sent before the connection stands waits in its queue.
//
// Ownership: the connections are the reactor's; destroying the Connector, which may come after the
// reactor's own end, leaves them. Threads: the
// reactor's alone.
#pragma once

#include <eddy/net/stream.h>

#include <optional>

namespace eddy {

struct ConnectOptions {
  std::chrono::nanoseconds timeout{
      std::chrono::seconds(10)};    // 0: the kernel's own, some two minutes
  std::optional<Address> source{};  // an address of this machine's; port 0: any free one
};

class Connector {
 public:
  Connector(Reactor& reactor, StreamOptions stream_options, ConnectOptions connect_options = {});
  // Options that other connectors, servers or adopted streams share.
  Connector(Reactor& reactor, SharedStreamOptions stream_options,
            ConnectOptions connect_options = {});

  // Fails at once for what is no address, or when no socket can be had; else the outcome comes by
  // callbacks.
  Result<Stream> connect(std::string_view address);
  Result<Stream> connect(const Address& address);

 private:
  Reactor& reactor_;
  std::shared_ptr<StreamOptions> stream_options_;
  ConnectOptions connect_options_;
};

}  // namespace eddy
