// eddy echo: the echo server of the README, as a program.
#include <eddy/core/reactor.h>
#include <eddy/net/tcp_server.h>
#include <stdio.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "arguments.h"
#include "command.h"
#include "descriptor_limit.h"
#include "termination.h"

namespace eddy::tools {
namespace {

using std::chrono::nanoseconds;

struct EchoOptions {
  std::string address = "127.0.0.1:7000";
  ReactorOptions reactor;
  ServerOptions server;
  nanoseconds drain{};
  bool stats = false;
};

void print_stats(const ReactorStats& stats) {
  const Counters& counters = stats.counters;
  const nlohmann::ordered_json line = {
      {"turns", counters.turns},
      {"system_calls", counters.system_calls},
      {"completions", counters.completions},
      {"bytes_received", counters.bytes_received},
      {"bytes_sent", counters.bytes_sent},
      {"accepted", counters.accepted},
      {"accept_failures", counters.accept_failures},
      {"accept_pauses", counters.accept_pauses},
      {"buffer_exhaustions", counters.buffer_exhaustions},
      {"parked", counters.parked},
      {"relocated_bytes", counters.relocated_bytes},
      {"copied_bytes", counters.copied_bytes},
      {"over_limit", counters.over_limit},
      {"slots", stats.slots},
      {"segments_in_use", stats.segments_in_use},
      {"pinned_bytes", stats.pinned_bytes},
  };
  puts(line.dump().c_str());
}

int run_echo(const EchoOptions& options) {
  raise_descriptor_limit();
  auto opened = Reactor::open(options.reactor);
  if (!opened) return report(opened.error());
  Reactor& reactor = **opened;

  TcpServer server(reactor,
                   {.on_data = [](Stream& peer, Slice bytes) { peer.send(std::move(bytes)); }},
                   options.server);
  auto terminates = on_termination(reactor, [&] { server.drain(options.drain); });
  if (!terminates) return report(terminates.error());
  if (auto listening = server.listen(options.address); !listening) return report(listening.error());

  const auto address = server.local_address();
  fprintf(stderr, "listening on %s, backend %s: %s\n",
          address ? address->to_string().c_str() : options.address.c_str(),
          to_string(reactor.backend().kind), reactor.backend().reason.c_str());
  const int status = reactor.run();
  if (options.stats) print_stats(reactor.stats());
  return status;
}

}  // namespace

Command make_echo(CLI::App& app) {
  auto options = std::make_shared<EchoOptions>();
  CLI::App* command = app.add_subcommand("echo", "Serve TCP: send back whatever comes");
  command->add_option("--listen", options->address, "Where to listen; port 0 takes any free one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  add_reactor_options(*command, options->reactor);
  add_option(*command, "--max-connections", options->server.max_connections, kCount,
             {0, 10'000'000}, "0", "More than so many wait to be accepted; 0 is no limit");
  add_option(*command, "--min-wait-us", options->reactor.min_wait, kCount, {0, 1'000'000}, "0",
             "Let requests gather for so many µs before waking: less CPU, more latency (io_uring, "
             "Linux 6.12)");
  add_option(*command, "--drain", options->drain, kDuration,
             {nanoseconds(0), std::chrono::hours(1)}, "5s",
             "At SIGINT or SIGTERM, connections get so long to take what is on its way to them");
  command->add_flag("--stats", options->stats, "At the end, print the reactor's counters as JSON")
      ->disable_flag_override();
  command->footer(
      "Ends at SIGINT or SIGTERM: accepts no more, sends what is on its way, closes. A second "
      "signal ends it at once.\n\n"
      "Exit status: 0 ended by a signal; 1 the loop failed; 2 bad arguments, or cannot listen.\n\n"
      "Examples:\n"
      "  eddy echo --listen 127.0.0.1:7000\n"
      "  eddy echo --listen '[::]:7000' --backend epoll --stats");
  return {command, [options] { return run_echo(*options); }};
}

}  // namespace eddy::tools
