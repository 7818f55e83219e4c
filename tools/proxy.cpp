// eddy proxy: each connection to one address is a connection to another.
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <eddy/net/splice.h>
#include <eddy/net/tcp_server.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include <algorithm>
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

struct ProxyOptions {
  std::string address = "127.0.0.1:7001";
  std::string target;
  ReactorOptions reactor;
  ServerOptions server;
  nanoseconds connect_timeout{};
  nanoseconds idle_timeout{};
  nanoseconds drain{};
  bool copy = false;
  bool splice = false;
  bool stats = false;
};

// So many that each of them can be connected and passed on, and the others wait in the backlog. A
// pair is two sockets and, where neither side takes what comes, two pipes.
size_t most_connections(const ProxyOptions& options, size_t descriptors) {
  constexpr size_t kOwn = 16;  // of the reactor, the listener, the signals
  if (options.server.max_connections != 0) return options.server.max_connections;
  const size_t for_pairs = std::max(descriptors, kOwn) - kOwn;
  return std::max<size_t>(for_pairs / (options.copy ? 2 : 6), 1);
}

// Where a connection to `target` comes to who listens at `listening`.
bool is_itself(const Address& target, const Address& listening) {
  if (target == listening) return true;
  if (listening.family() == AF_UNIX || target.port() != listening.port()) return false;
  const auto is_of_any_host = [](const Address& one, const Address& other) {
    return one.is_any() && (other.is_any() || other.is_loopback());
  };
  return is_of_any_host(target, listening) || is_of_any_host(listening, target);
}

class Proxy {
 public:
  Proxy(Reactor& reactor, const Address& target, const ProxyOptions& options)
      : target_(target),
        mode_(options.copy     ? SpliceMode::kSlices
              : options.splice ? SpliceMode::kPipe
                               : SpliceMode::kAuto),
        drain_(options.drain),
        reactor_(reactor),
        connector_(reactor, outgoing(options), {.timeout = options.connect_timeout}),
        server_(reactor, incoming(options), options.server) {}

  Result<void> listen(std::string_view address) { return server_.listen(address); }
  Result<Address> local_address() const { return server_.local_address(); }
  // No new connections; those that stand go on to their ends, or to the drain's.
  void wind_down() {
    server_.close();
    reactor_.start_timer(drain_,
                         [this] { server_.for_each([](Stream& stream) { stream.reset(); }); },
                         {.referenced = false});
  }

  uint64_t connections = 0;
  uint64_t failed_connects = 0;

 private:
  StreamOptions incoming(const ProxyOptions& options) {
    return {.on_open = [this](Stream& client) { open(client); },
            .on_data = [](Stream&, Slice) {},
            .on_end = [](Stream&) {},
            .idle_timeout = options.idle_timeout};
  }
  StreamOptions outgoing(const ProxyOptions& options) {
    return {.on_open = [this](Stream&) { ++connections; },
            .on_end = [](Stream&) {},
            .on_close =
                [this](Stream& server, std::error_code) {
                  if (server.connect_error()) ++failed_connects;
                },
            .idle_timeout = options.idle_timeout};
  }

  // What the client sends before the other connection stands waits in its socket. If that does not
  // come about, the client sees a reset.
  void open(Stream& client) {
    auto server = connector_.connect(target_);
    if (server && relay(client, *server, {.mode = mode_})) return;
    ++failed_connects;
    client.reset();
    if (server) server->reset();
  }

  const Address target_;
  const SpliceMode mode_;
  const nanoseconds drain_;
  Reactor& reactor_;
  Connector connector_;
  TcpServer server_;
};

void print_stats(const Proxy& proxy, const ReactorStats& stats) {
  const Counters& counters = stats.counters;
  const nlohmann::ordered_json line = {
      {"accepted", counters.accepted},
      {"connections", proxy.connections},
      {"failed_connects", proxy.failed_connects},
      {"turns", counters.turns},
      {"system_calls", counters.system_calls},
      {"completions", counters.completions},
      {"bytes_received", counters.bytes_received},
      {"bytes_sent", counters.bytes_sent},
      {"spliced_bytes", counters.spliced_bytes},
      {"copied_bytes", counters.copied_bytes},
      {"relocated_bytes", counters.relocated_bytes},
      {"slots", stats.slots},
  };
  puts(line.dump().c_str());
}

int run_proxy(ProxyOptions& options) {
  options.server.max_connections = most_connections(options, raise_descriptor_limit());
  const auto target = Address::parse(options.target);
  if (!target) return report(target.error());
  auto opened = Reactor::open(options.reactor);
  if (!opened) return report(opened.error());
  Reactor& reactor = **opened;

  Proxy proxy(reactor, *target, options);
  auto terminates = on_termination(reactor, [&] { proxy.wind_down(); });
  if (!terminates) return report(terminates.error());
  if (auto listening = proxy.listen(options.address); !listening) return report(listening.error());

  const auto address = proxy.local_address();
  if (address && is_itself(*target, *address)) {
    return report(Error(errno_code(EINVAL), "connect", target->to_string(),
                        "this proxy itself would answer: it listens on " + address->to_string()));
  }
  fprintf(stderr, "for %s, listening on %s, backend %s: %s\n", target->to_string().c_str(),
          address ? address->to_string().c_str() : options.address.c_str(),
          to_string(reactor.backend().kind), reactor.backend().reason.c_str());
  const int status = reactor.run();
  if (options.stats) print_stats(proxy, reactor.stats());
  return status;
}

}  // namespace

Command make_proxy(CLI::App& app) {
  auto options = std::make_shared<ProxyOptions>();
  CLI::App* command =
      app.add_subcommand("proxy", "Pass each connection on: bytes go both ways as they come");
  command->add_option("--listen", options->address, "Where to listen; port 0 takes any free one")
      ->type_name("ADDRESS")
      ->capture_default_str();
  command->add_option("--to", options->target, "Where to connect for each connection")
      ->type_name("ADDRESS")
      ->required();
  add_reactor_options(*command, options->reactor);
  add_option(*command, "--max-connections", options->server.max_connections, kCount,
             {0, 10'000'000}, "0",
             "More than so many wait to be accepted; 0 is as many as can have their descriptors "
             "(ulimit -Hn): two each, or, unless it is --copy, six");
  constexpr Range<nanoseconds> kTimes = {nanoseconds(0), std::chrono::hours(24 * 365)};
  add_option(*command, "--connect-timeout", options->connect_timeout, kDuration, kTimes, "10s",
             "A connection to --to that does not stand by then is given up");
  add_option(*command, "--idle-timeout", options->idle_timeout, kDuration, kTimes, "0",
             "Nothing passed for so long, either way: both connections are reset; 0 is never");
  add_option(*command, "--drain", options->drain, kDuration,
             {nanoseconds(0), std::chrono::hours(1)}, "5s",
             "At SIGINT or SIGTERM, connections get so long to come to their ends");
  auto* copy = command->add_flag("--copy", options->copy, "Never through pipes: as slices, always")
                   ->disable_flag_override();
  command->add_flag("--splice", options->splice, "Never as slices: through pipes, always")
      ->disable_flag_override()
      ->excludes(copy);
  command->add_flag("--stats", options->stats, "At the end, print counters as JSON")
      ->disable_flag_override();
  command->footer(
      "Large messages go through pipes in the kernel (splice(2)), small ones as slices of the "
      "buffer ring. An end of input passes through, and so do errors: where one side fails, the "
      "other is reset.\n\n"
      "Ends at SIGINT or SIGTERM: accepts no more, and ends with its connections. A second signal "
      "ends it at once.\n\n"
      "Exit status: 0 ended by a signal; 1 the loop failed; 2 bad arguments, or cannot listen.\n\n"
      "Examples:\n"
      "  eddy proxy --listen 127.0.0.1:7001 --to 127.0.0.1:7000\n"
      "  eddy proxy --listen '[::]:80' --to 10.0.0.2:8080 --idle-timeout 5m");
  return {command, [options] { return run_proxy(*options); }};
}

}  // namespace eddy::tools
