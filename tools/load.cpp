// eddy load: a load generator for echo servers.
#include <eddy/core/reactor.h>
#include <stdio.h>

#include <memory>
#include <string>

#include "arguments.h"
#include "command.h"
#include "cpu_time.h"
#include "descriptor_limit.h"
#include "format.h"
#include "load_options.h"
#include "load_report.h"
#include "load_run.h"
#include "termination.h"

namespace eddy::tools {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view kScheme = "tcp://";
constexpr uint64_t kMostInFlight = 64 * 1024 * 1024;
constexpr size_t kOwnDescriptors = 32;  // of the reactor, the terminal, files

int refuse(const std::string& what) {
  fprintf(stderr, "eddy load: %s\n", one_line(what).c_str());
  return kBadUsage;
}

// What is wrong with the arguments as a whole, if anything.
std::string check(LoadOptions& options) {
  if (!options.target.starts_with(kScheme)) {
    return "'" + options.target + "' is no target: tcp://HOST:PORT is";
  }
  auto address = Address::parse(options.target.substr(kScheme.size()));
  if (!address) return address.error().message();
  options.address = *address;
  if (uint64_t{options.connections} * options.depth > kMostInFlight) {
    return "more than " + grouped(kMostInFlight) + " requests in flight (-c times --depth)";
  }
  const size_t descriptors = raise_descriptor_limit();
  if (options.connections + kOwnDescriptors > descriptors) {
    return counted(options.connections, "connection") + ", but " + grouped(descriptors) +
           " descriptors are allowed (ulimit -n)";
  }
  if (options.server_pid != 0 && !process_cpu_ns(options.server_pid)) {
    return "--server-pid: there is no process " + std::to_string(options.server_pid);
  }
  return {};
}

int run_load(LoadOptions& options) {
  if (const std::string wrong = check(options); !wrong.empty()) return refuse(wrong);
  auto opened = Reactor::open(options.reactor);
  if (!opened) return report(opened.error());
  Reactor& reactor = **opened;
  LoadRun run(reactor, options);
  auto terminates = on_termination(reactor, [&] { run.interrupt(); });
  if (!terminates) return report(terminates.error());
  run.start();
  if (const int failed = reactor.run(); failed != 0) return failed;

  const LoadReport found = run.report();
  const Verdict verdict = judge(found, options);
  const std::string backend = to_string(reactor.backend().kind);
  if (options.json) {
    print_json(found, options, backend, verdict);
  } else if (found.window_answered > 0) {
    print_text(found, options, backend);
  }
  fflush(stdout);
  if (verdict.status != kMeasured) fprintf(stderr, "eddy load: %s\n", verdict.line.c_str());
  return verdict.status;
}

void describe(CLI::App& command, LoadOptions& options) {
  command.add_option("target", options.target, "What to load: tcp://HOST:PORT, an echo server")
      ->type_name("TARGET")
      ->required();
  add_option(command, "-c,--connections", options.connections, kCount, {1, 1'000'000}, "64",
             "Connections held open");
  add_option(command, "-d,--duration", options.duration, kDuration, {milliseconds(1), hours(1000)},
             "10s", "How long to measure");
  add_option(command, "--warmup", options.warmup, kDuration, {nanoseconds(0), hours(1)}, "1s",
             "Load that comes first and is left out");
  add_option(command, "--size", options.size, kSize, {1, 1024 * 1024 * 1024}, "64",
             "Bytes of a request; the answer has as many");
  add_option(command, "--depth", options.depth, kCount, {1, 65536}, "1",
             "Requests in flight on each connection");
  add_option(command, "--timeout", options.timeout, kDuration, {milliseconds(1), hours(1)}, "5s",
             "A connection that keeps a request waiting longer is given up; so is a connect");
  add_option(command, "--churn", options.churn_per_second, kCount, {0, 1'000'000}, "0",
             "End so many connections a second at random, by reset, close and half-close, and open "
             "them again");
  add_option(command, "--seed", options.seed, kCount, {0, UINT64_MAX}, "1",
             "What --churn draws from: the same seed, the same moments");
  add_option(command, "--server-pid", options.server_pid, kCount, {1, INT32_MAX}, "",
             "Tell the CPU time that this process takes for a request");
  add_reactor_options(command, options.reactor);
  command.add_flag("--json", options.json, "One JSON object on stdout; latencies in µs")
      ->disable_flag_override();
}

}  // namespace

Command make_load(CLI::App& app) {
  auto options = std::make_shared<LoadOptions>();
  CLI::App* command = app.add_subcommand("load", "Load an echo server, and measure it");
  describe(*command, *options);
  command->footer(
      "Closed loop: each answer is followed by the next request. Every answer is compared with "
      "what "
      "was sent. Latency is that of requests sent after the warm-up; those never answered count "
      "with the time they waited. SIGINT ends a run early, with its report.\n\n"
      "Times are written 300ms, 5s, 1m; sizes 64, 16k, 1m; numbers 100, 10k.\n\n"
      "Exit status: 0 all was answered; 1 connections met trouble, or requests were not answered; "
      "2 bad arguments; 3 no connection; 4 no answer; 5 wrong answers; 130 interrupted before "
      "anything was measured.\n\n"
      "Examples:\n"
      "  eddy load tcp://127.0.0.1:7000 -c 64 -d 10s\n"
      "  eddy load tcp://127.0.0.1:7000 -c 16 --size 1m --server-pid $(pgrep -n eddy)\n"
      "  eddy load tcp://127.0.0.1:7000 -c 1k --depth 16 -d 5m --churn 100 --json");
  return {command, [options] { return run_load(*options); }};
}

}  // namespace eddy::tools
