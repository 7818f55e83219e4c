// The metrics of a run while it goes on, served by HTTP: `--prometheus ADDRESS`.
//
// What it is: a server on the run's reactor that answers GET and HEAD of /metrics with what the
// last whole second left (metrics.h), any number of scrapers. It reads one request of a connection,
// answers, and ends it. Anything else is answered as HTTP has it: 404, 405, 400, and 431 for a head
// of more than 8 KiB.
//
// Bounds: so many connections at a time, the rest waits; each ends after a time, whether its
// request has come or not, and whether its answer was taken or not.
//
// It keeps the reactor running until the run is over. Threads: the reactor's alone.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/server.h>

#include <chrono>
#include <string_view>

#include "load/metrics.h"
#include "load/observer.h"
#include "load/options.h"

namespace eddy::load {

class Exporter : public Observer {
 public:
  struct Limits {
    size_t connections = 64;
    std::chrono::nanoseconds time{std::chrono::seconds(5)};
  };

  // The options outlive it.
  Exporter(Reactor& reactor, const LoadOptions& options, const Limits& limits);
  Exporter(Reactor& reactor, const LoadOptions& options) : Exporter(reactor, options, {}) {}

  // "127.0.0.1:9100"; ":9100" is any address of this machine.
  Result<void> listen(std::string_view address);
  Result<Address> local_address() const { return server_.local_address(); }

  void add(std::chrono::nanoseconds start, std::chrono::nanoseconds length,
           const Record& second) override;
  void show(const Moment& moment) override;

 private:
  void on_data(Stream& scraper, std::string_view bytes);
  void answer(Stream& scraper, std::string_view method, std::string_view target);
  std::string metrics();

  const LoadOptions& options_;
  Metrics metrics_;
  Server server_;
};

}  // namespace eddy::load
