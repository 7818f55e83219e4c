// eddy echo: the echo server of the README, as a program.
#include <eddy/core/reactor.h>
#include <eddy/net/datagram.h>
#include <eddy/net/pool_server.h>
#include <eddy/net/reactor_pool.h>
#include <eddy/net/seqpacket.h>
#include <eddy/net/server.h>
#include <eddy/net/service.h>
#include <stdio.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "arguments.h"
#include "command.h"
#include "coroutine_echo.h"
#include "descriptor_limit.h"

namespace eddy::tools {
namespace {

using std::chrono::nanoseconds;

struct EchoOptions {
  std::string address = "127.0.0.1:7000";
  std::string datagram_address;  // not empty: datagrams, in the place of streams
  ReactorOptions reactor;
  ListenOptions listen;
  ServerOptions server;
  nanoseconds drain{};
  bool coroutine = false;
  nanoseconds serve_on{};
  std::string restart_socket;
  unsigned threads = 1;
  bool seqpacket = false;
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
      {"backlog_drops", counters.backlog_drops},
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

void tell(const Reactor& reactor, const Result<Address>& address, const EchoOptions& options) {
  fprintf(stderr, "listening on %s, backend %s: %s\n",
          address ? address->to_string().c_str() : options.address.c_str(),
          to_string(reactor.backend().kind), reactor.backend().reason.c_str());
}

int run(Reactor& reactor, const EchoOptions& options) {
  const int status = reactor.run();
  if (options.stats) print_stats(reactor.stats());
  return status;
}

// Of a mode for which a Service has the signals and the notices alone: a socket that the process
// was started with would be open and served by nobody.
Result<void> check_nothing_inherited(Service& service, const char* mode) {
  if (service.take_inherited().empty()) return {};
  return std::unexpected(Error(Errc::kUnsupported, "serve on the sockets of LISTEN_FDS", mode,
                               "this mode opens its own socket alone"));
}

// What does not fit into the send queue is dropped, as datagrams may be.
int serve_datagrams(Reactor& reactor, const EchoOptions& options) {
  Datagram socket;
  Service service(reactor, {.on_drain = [&] { socket.close(); }});
  if (auto none = check_nothing_inherited(service, "--udp"); !none) return report(none.error());
  auto bound =
      Datagram::bind(reactor, options.datagram_address,
                     {.on_datagram = [](Datagram& self, Slice bytes, const DatagramInfo& info) {
                       self.send_to(std::move(bytes), info.source);
                     }});
  if (!bound) return report(bound.error());
  socket = *bound;
  if (auto ready = service.ready(); !ready) return report(ready.error());
  tell(reactor, socket.local_address(), options);
  return run(reactor, options);
}

StreamOptions echo() {
  return {.on_data = [](Stream& peer, Slice bytes) { peer.send(std::move(bytes)); }};
}

ServiceOptions life_of(const EchoOptions& options) {
  return {.drain = options.drain,
          .serve_on = options.serve_on,
          .restart_socket = options.restart_socket};
}

int run_in_one(Reactor& reactor, const EchoOptions& options) {
  Server server(reactor, echo(), options.server);
  Service service(reactor, life_of(options));
  auto ready = service.listen(server, options.address, options.listen);
  if (ready) ready = service.ready();
  if (!ready) return report(ready.error());
  tell(reactor, server.local_address(), options);
  return run(reactor, options);
}

// The reactor of this thread has the signals and the successor, those of the pool the connections.
int run_in_many(Reactor& reactor, const EchoOptions& options) {
  struct StatsAtEnd {
    ~StatsAtEnd() { print_stats(reactor.stats()); }
    Reactor& reactor;
  };
  ReactorPool pool({.reactors = options.threads, .reactor = options.reactor});
  if (options.stats) {
    pool.set_up([](Reactor& its, unsigned) { return std::make_unique<StatsAtEnd>(its); });
  }
  PoolServer server(pool, [](Reactor&, unsigned) { return echo(); }, {.server = options.server});
  Service service(reactor, life_of(options));
  pool.on_end([&reactor] { reactor.stop(); });
  auto ready = service.listen(server, options.address, options.listen);
  if (ready) ready = pool.start();
  if (ready) ready = service.ready();
  if (!ready) return report(ready.error());
  tell(reactor, server.local_address(), options);
  reactor.ref();
  const int status = reactor.run();
  pool.stop();  // a second signal has ended this reactor alone
  if (auto ended = pool.join(); !ended) {
    report(ended.error());
    return 1;
  }
  return status;
}

int run_coroutine_echo(Reactor& reactor, const EchoOptions& options) {
  CoroutineEcho server(reactor);
  Service service(reactor, {.on_drain = [&] { server.drain(options.drain); }});
  auto ready = check_nothing_inherited(service, "--coroutine");
  if (ready) ready = server.listen(options.address, options.listen);
  if (ready) ready = service.ready();
  if (!ready) return report(ready.error());
  tell(reactor, server.local_address(), options);
  return run(reactor, options);
}

int run_message_echo(Reactor& reactor, const EchoOptions& options) {
  SeqpacketServer server(reactor,
                         {.on_message = [](Seqpacket& peer, Slice bytes, const SeqpacketInfo&) {
                           peer.send(std::move(bytes));
                         }});
  Service service(reactor, {.on_drain = [&] {
                    server.close();
                    server.for_each([](Seqpacket& connection) { connection.close(); });
                  }});
  auto ready = check_nothing_inherited(service, "--seqpacket");
  if (ready) ready = server.listen(options.address, options.listen);
  if (ready) ready = service.ready();
  if (!ready) return report(ready.error());
  tell(reactor, server.local_address(), options);
  return run(reactor, options);
}

int run_echo(const EchoOptions& options) {
  raise_descriptor_limit();
  auto opened = Reactor::open(options.reactor);
  if (!opened) return report(opened.error());
  Reactor& reactor = **opened;
  if (!options.datagram_address.empty()) return serve_datagrams(reactor, options);
  if (options.seqpacket) return run_message_echo(reactor, options);
  if (options.coroutine) return run_coroutine_echo(reactor, options);
  return options.threads == 1 ? run_in_one(reactor, options) : run_in_many(reactor, options);
}

}  // namespace

Command make_echo(CLI::App& app) {
  auto options = std::make_shared<EchoOptions>();
  CLI::App* command =
      app.add_subcommand("echo", "Send back whatever comes: TCP, UDP, Unix sockets");
  auto* listen =
      command
          ->add_option("--listen", options->address,
                       "Where to listen: HOST:PORT, port 0 for any free one; unix:PATH; unix:@NAME")
          ->type_name("ADDRESS")
          ->capture_default_str();
  auto* datagrams =
      command
          ->add_option("--udp", options->datagram_address,
                       "Serve datagrams there, in the place of TCP; unix:/path and unix:@name as "
                       "well")
          ->type_name("HOST:PORT")
          ->excludes(listen);
  auto* seqpacket = command
                        ->add_flag("--seqpacket", options->seqpacket,
                                   "On a Unix socket of messages (SOCK_SEQPACKET)")
                        ->disable_flag_override()
                        ->excludes(datagrams);
  add_reactor_options(*command, options->reactor);
  CLI::Option* most =
      add_option(*command, "--max-connections", options->server.max_connections, kCount,
                 {0, 10'000'000}, "0", "More than so many wait to be accepted; 0 is no limit");
  add_option(*command, "--backlog", options->listen.backlog, kCount, {1, 1'000'000}, "4096",
             "So many connections may wait to be accepted; the system has a limit of its own "
             "(net.core.somaxconn)");
  add_option(*command, "--min-wait-us", options->reactor.min_wait, kCount, {0, 1'000'000}, "0",
             "Let requests gather for so many µs before waking: less CPU, more latency (io_uring, "
             "Linux 6.12)");
  add_option(*command, "--drain", options->drain, kDuration,
             {nanoseconds(0), std::chrono::hours(1)}, "5s",
             "At SIGINT or SIGTERM, connections get so long to take what is on its way to them");
  auto* threads = add_option(*command, "--threads", options->threads, kCount, {1, 1024}, "1",
                             "Reactors, each in a thread and with a listening socket of its own");
  auto* restart =
      command
          ->add_option("--restart-socket", options->restart_socket,
                       "Take the listening sockets over from the process that serves there, and "
                       "hand them to the one that follows")
          ->type_name("unix:PATH")
          ->excludes(datagrams)
          ->excludes(seqpacket);
  add_option(*command, "--serve-on", options->serve_on, kDuration,
             {nanoseconds(0), std::chrono::hours(1000)}, "1h",
             "Once another process has taken over, connections that stand are served so long");
  command->add_flag("--coroutine", options->coroutine, "Serve by coroutines in place of callbacks")
      ->disable_flag_override()
      ->excludes(most)
      ->excludes(threads)
      ->excludes(restart);
  command
      ->add_flag("--stats", options->stats,
                 "At the end, print the counters as JSON, a line for each reactor")
      ->disable_flag_override();
  command->footer(
      "Ends at SIGINT or SIGTERM: accepts no more, sends what is on its way, closes. A second "
      "signal ends it at once. Tells systemd when it is ready and when it ends (NOTIFY_SOCKET). "
      "Serves on the sockets that systemd has opened (LISTEN_FDS) in the place of --listen; with "
      "--udp, --seqpacket and --coroutine it refuses them.\n\n"
      "Exit status: 0 ended by a signal; 1 the loop failed; 2 bad arguments, or cannot listen.\n\n"
      "Examples:\n"
      "  eddy echo --listen 127.0.0.1:7000\n"
      "  eddy echo --listen '[::]:7000' --backend epoll --stats\n"
      "  eddy echo --udp 127.0.0.1:7000\n"
      "  eddy echo --listen unix:/run/echo.sock\n"
      "  eddy echo --threads 4 --restart-socket unix:/run/echo.restart   # and again, to restart");
  return {command, [options] { return run_echo(*options); }};
}

}  // namespace eddy::tools
