// eddy load: a load generator that measures itself as well as the server.
#include <eddy/core/reactor.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arguments.h"
#include "command.h"
#include "cpu_time.h"
#include "descriptor_limit.h"
#include "format.h"
#include "load/datagram_traffic.h"
#include "load/exporter.h"
#include "load/html_report.h"
#include "load/http_request.h"
#include "load/json_report.h"
#include "load/launcher.h"
#include "load/live_display.h"
#include "load/options.h"
#include "load/outputs.h"
#include "load/plan.h"
#include "load/ranked_run.h"
#include "load/report.h"
#include "load/same_file.h"
#include "load/script.h"
#include "load/store_mix.h"
#include "load/target.h"
#include "load/tls_options.h"
#include "load_arrivals.h"
#include "load_options.h"
#include "load_profile.h"
#include "load_schemes.h"
#include "load_search.h"
#include "refusal.h"
#include "standard_streams.h"
#include "termination.h"
#include "threaded_run.h"

namespace eddy::tools {
namespace {

// Who follows a run.
struct Observers {
  std::optional<load::LiveDisplay> display;
  std::optional<load::Exporter> exporter;
};

constexpr uint64_t kMostInFlight = 64 * 1024 * 1024;
constexpr uint64_t kMostDatagramBytes = uint64_t{1} << 30;
constexpr size_t kOwnDescriptors = 32;  // of each reactor; of the terminal and files

int refuse(const std::string& what) {
  tell_refusal("eddy load", what);
  return kBadUsage;
}

int refuse_alone(const std::string& what, const load::Ranks* ranks, int status = kBadUsage) {
  const std::string who = ranks == nullptr ? "" : "rank " + std::to_string(ranks->rank()) + ": ";
  print_error("eddy load", who + what);
  return status;
}

std::vector<load::NamedFile> files_of(const LoadArguments& options) {
  const load::OutputFiles& files = options.files;
  return {{.name = "--hlog", .path = files.hlog},
          {.name = "--hgrm", .path = files.hgrm},
          {.name = "--csv", .path = files.csv},
          {.name = "--html", .path = files.html},
          {.name = "standard output", .path = "/dev/stdout"},
          {.name = "--profile", .path = options.profile_file, .is_written = false},
          {.name = "--script", .path = options.script_file, .is_written = false},
          {.name = "--replay", .path = options.arrivals.replay_file, .is_written = false},
          {.name = "--body-file", .path = options.request.body_file, .is_written = false},
          {.name = "--ca", .path = options.tls_request.ca_file, .is_written = false},
          {.name = "--cert", .path = options.tls_request.certificate_file, .is_written = false},
          {.name = "--key", .path = options.tls_request.key_file, .is_written = false}};
}

// What is wrong with the arguments as a whole, if anything.
std::string check(LoadArguments& options) {
  if (std::string wrong = check_search(options.search, options, options.duration_given);
      !wrong.empty()) {
    return wrong;
  }
  if (std::string wrong = shared_file(files_of(options)); !wrong.empty()) return wrong;
  const load::OutputFiles& files = options.files;
  if (options.search.find_max &&
      !(files.hlog + files.hgrm + files.csv + options.prometheus).empty()) {
    return "--hlog, --hgrm, --csv and --prometheus are of one run, and --find-max makes many";
  }
  if (uint64_t{options.connections} * options.depth > kMostInFlight) {
    return "more than " + grouped(kMostInFlight) + " requests in flight (-c times --depth)";
  }
  if (!options.files.html.empty() && !load::has_html_report()) {
    return "--html: this eddy was built without Chart.js (Debian: libjs-chart.js)";
  }
  return {};
}

// What a store is asked for. What is wrong, if anything.
std::string take_store(LoadArguments& options) {
  if (options.store.fill) {
    const bool is_otherwise_asked = options.requests || options.arrivals.duration->count() > 0 ||
                                    options.churn_per_second > 0 || options.search.find_max ||
                                    !options.arrivals.rate.empty() ||
                                    !options.arrivals.replay_file.empty();
    if (is_otherwise_asked || options.store_mix != "get") {
      return "--fill sets each key once and ends: --mix, -n, -d, -R, --replay, --churn and "
             "--find-max are for other runs";
    }
    options.store_mix = "set";
    options.requests = options.store.keys;
  }
  const auto mix = parse_store_mix(options.store_mix, options);
  return mix ? "" : mix.error().message();
}

// Reads --script. What is wrong, if anything.
std::string take_script(LoadArguments& options) {
  if (options.script_file.empty()) return {};
  auto script = load::Script::read(options.script_file);
  if (!script) return script.error().message();
  if (options.depth > 1 && !script->is_one_turn()) {
    return "--depth: a script that sends after it has read has one pass in flight";
  }
  options.script = std::make_shared<const load::Script>(std::move(*script));
  options.protocol = load::Protocol::kScript;
  return {};
}

// What datagrams cannot have, if it was asked for.
std::string check_datagrams(const LoadArguments& options) {
  using load::DatagramTraffic;
  if (options.protocol != load::Protocol::kDatagram) return {};
  if (options.size < DatagramTraffic::kLeastBytes || options.size > DatagramTraffic::kMostBytes) {
    return "--size: a datagram has " + std::to_string(DatagramTraffic::kLeastBytes) + " to " +
           std::to_string(DatagramTraffic::kMostBytes) + " bytes";
  }
  if (options.size * options.connections * options.depth > kMostDatagramBytes) {
    return "more than " + size_text(kMostDatagramBytes) +
           " in flight (-c times --depth times --size)";
  }
  return {};
}

Result<void> watch(load::LoadRun& run, Observers& observers, Reactor& reactor,
                   const LoadArguments& options) {
  if (!options.prometheus.empty()) {
    load::Exporter& exporter = observers.exporter.emplace(reactor, options);
    if (auto listening = exporter.listen(options.prometheus); !listening) return listening;
    const auto address = exporter.local_address();
    if (!address) return std::unexpected(address.error());
    if (!options.quiet) {
      fprintf(stderr, "metrics are at http://%s/metrics\n", address->to_string().c_str());
    }
    run.watch(exporter);
  }
  if (!options.quiet) run.watch(observers.display.emplace(options));
  return {};
}

std::string check_ranks(const LoadArguments& options, const load::Ranks& ranks) {
  if (options.search.find_max) return "--find-max is for one process, and this is one of several";
  if (options.store.fill) return "--fill is for one process, and this is one of several";
  if (options.connections / options.threads >= ranks.size()) return {};
  return counted(options.connections, "connection") + " for " + counted(ranks.size(), "rank") +
         " of " + counted(options.threads, "thread") + ": each thread has its own";
}

// What is wrong with what this process does of it.
std::string check_part(const load::LoadOptions& options) {
  const size_t descriptors = raise_descriptor_limit();
  if (options.connections + kOwnDescriptors * (1 + options.threads) > descriptors) {
    return counted(options.connections, "connection") + ", but " + grouped(descriptors) +
           " descriptors are allowed (ulimit -n)";
  }
  if (options.threads > options.connections) {
    return counted(options.threads, "thread") + " for " +
           counted(options.connections, "connection") + ": each thread has its own";
  }
  for (const int pid : options.server_pids) {
    if (!process_cpu_ns(pid)) return "--server-pid: there is no process " + std::to_string(pid);
  }
  return {};
}

// The exit status.
int tell(const load::LoadReport& found, const load::LoadOptions& options,
         const std::string& backend, load::Verdict verdict, load::Outputs& outputs) {
  judge_written(outputs.finish(found.record.response()), verdict);
  if (outputs.wants_page()) {
    judge_written(
        outputs.write_page(load::html_report(load::json_of(found, options, backend, verdict))),
        verdict);
  }
  const bool printed = !options.json && found.has_figures();
  if (options.json) {
    puts(load::json_of(found, options, backend, verdict).c_str());
  } else if (printed) {
    print_text(found, options, backend, verdict);
  }
  judge_written(finish_output(), verdict);
  const bool was_read = printed && isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
  if (verdict.status != load::kMeasured && !was_read) print_error("eddy load", verdict.reason);
  return verdict.status;
}

// As one rank of several.
void take_part(LoadArguments& options, const load::Ranks& ranks) {
  static_cast<load::LoadOptions&>(options) = rank_part_of(options, ranks.rank(), ranks.size());
  options.files = files_of_rank(options.files, ranks.rank());
  options.prometheus = load::address_of_rank(options.prometheus, ranks.rank());
  if (ranks.rank() > 0) options.quiet = true;
}

// mpirun hands SIGUSR1 on to its ranks, and does not end them for it as for SIGINT: a run that this
// ends early keeps its exit status.
Result<void> on_forwarded_signal(Reactor& reactor, load::RankedRun& run) {
  auto watch = reactor.on_signal(SIGUSR1, [&run](int64_t) { run.interrupt(); });
  if (!watch) return std::unexpected(watch.error());
  watch->set_keeps_alive(false);
  return {};
}

int run_load(const CLI::App& command, LoadArguments& options) {
  if (options.target.empty()) {
    return refuse(
        "which target? http://HOST/PATH, https://HOST/PATH, redis://HOST, memcached://HOST, "
        "tcp://HOST:PORT, udp://HOST:PORT or unix:PATH");
  }
  const auto target = load::parse_target(options.target);
  if (!target) return refuse(target.error().message());
  if (const std::string wrong = check_schemes(command, options.target); !wrong.empty()) {
    return refuse(wrong);
  }
  options.protocol = target->protocol;
  if (is_store(options.protocol)) {
    if (const std::string wrong = take_store(options); !wrong.empty()) return refuse(wrong);
  }
  if (options.protocol == load::Protocol::kHttp) {
    auto request = wire_format(options.request, target->url);
    if (!request) return refuse(request.error().message());
    options.http.request = std::move(*request);
    options.http.is_head = options.request.method == "HEAD";
  }
  if (const std::string wrong = take_script(options); !wrong.empty()) return refuse(wrong);
  if (const std::string wrong = take_arrivals(options.arrivals, options); !wrong.empty()) {
    return refuse(wrong);
  }
  auto with_tls = load::make_tls(options.tls_request, target->url);
  if (!with_tls) return refuse(with_tls.error().message());
  options.tls = std::move(*with_tls);
  if (const std::string wrong = check(options); !wrong.empty()) return refuse(wrong);
  if (const std::string wrong = check_datagrams(options); !wrong.empty()) return refuse(wrong);
  auto joined_ranks = load::join_ranks();
  if (!joined_ranks) return refuse(joined_ranks.error());
  const std::unique_ptr<load::Ranks> ranks = std::move(*joined_ranks);
  auto whole = static_cast<const load::LoadOptions&>(options);
  if (ranks) {
    const std::string wrong = check_ranks(options, *ranks);
    if (!wrong.empty()) return refuse(wrong);  // all have come to the same
    take_part(options, *ranks);
  }
  if (const std::string wrong = check_part(options); !wrong.empty()) {
    return refuse_alone(wrong, ranks.get());
  }
  auto opened = Reactor::open(options.reactor);
  if (!opened) return report(opened.error());
  Reactor& reactor = **opened;
  const auto address = address_of(reactor, *target);
  if (!address) {
    return refuse_alone(address.error().message(), ranks.get(), load::kNoConnection);
  }
  options.address = whole.address = *address;
  auto outputs = load::Outputs::create(options.files, options.kind_names);
  if (!outputs) return refuse_alone(outputs.error().message(), ranks.get(), load::kNotWritten);
  if (options.search.find_max) return run_search(options, options.search, *outputs);
  Observers observers;
  ThreadedRun threaded(reactor, options, &*outputs);
  load::LoadRun& run = threaded.run();
  if (const auto watched = watch(run, observers, reactor, options); !watched) {
    return report(watched.error());
  }
  std::optional<load::RankedRun> ranked;
  if (ranks) ranked.emplace(reactor, *ranks, whole, run);
  auto terminates = on_termination(
      reactor, [&] { ranked ? ranked->interrupt() : run.interrupt(); }, [&run] { run.finish(); });
  if (!terminates) return report(terminates.error());
  if (ranked) {
    if (const auto told = on_forwarded_signal(reactor, *ranked); !told) return report(told.error());
  }
  const auto measured = threaded.drive();
  if (!measured) return measured.error();
  const load::LoadReport& found = *measured;
  load::Verdict verdict = load::judge(found, options);
  const std::string backend = to_string(reactor.backend().kind);
  if (!ranked) return tell(found, options, backend, verdict, *outputs);
  if (ranks->rank() > 0) judge_written(outputs->finish(found.record.response()), verdict);
  const auto of_all = ranked->combine(found, verdict);
  const int status =
      of_all ? tell(*of_all, whole, backend, judge_ranks(*of_all, whole), *outputs) : 0;
  ranks->leave();
  return status;
}

}  // namespace

Command make_load(CLI::App& app) {
  auto options = std::make_shared<LoadArguments>();
  CLI::App* command = app.add_subcommand("load", "Load a server, and measure it");
  describe_load(*command, *options);
  command->require_subcommand(0, 1);
  const std::array below = {make_load_compare(*command), make_load_merge(*command)};
  command->footer(
      "Without a rate, each answer is followed by the next request. With one, requests are sent by "
      "a schedule, and "
      "response times count from its moments. What is waited for in vain counts with the time it "
      "was waited for. An "
      "echo server's answers are compared with what was sent.\n\n"
      "Times are written 300ms, 5s, 1m; sizes 64, 16k, 1m; numbers 100, 10k. SIGINT ends a run "
      "early, with its "
      "report.\n\n"
      "response: from the schedule's moment to the answer's last byte, what a user waits. service: "
      "from when the request was sent. lag: what it waited before, for a free connection.\n\n"
      "Exit status: 0 all was answered; 1 connections met trouble, or requests were not answered; "
      "2 bad arguments; "
      "3 no connection; 4 no answer; 5 wrong answers; 6 the client was the limit; 7 it was not "
      "stable; 8 it was too "
      "short; 9 a file or standard output could not be written; 10 TLS failed; 11 a rank of "
      "several was lost "
      "(docs/distributed.md); 12 out of memory; 99 what --fail-if says holds; 130 "
      "interrupted before anything was measured, or amid --find-max.\n\n"
      "Examples:\n"
      "  eddy load tcp://127.0.0.1:7000 -c 64 -d 10s\n"
      "  eddy load http://127.0.0.1:8080/ -R 10k --arrivals poisson --html run.html\n"
      "  eddy load http://localhost/login --method POST --body 'user=a' -R 50\n"
      "  eddy load redis://127.0.0.1 --mix get=9,set=1 --keys 1m --zipf 0.99\n"
      "  eddy load tcp://127.0.0.1:7000 -c 16 --size 1m --server-pid $(pgrep -n eddy)\n"
      "  eddy load tcp://127.0.0.1:7000 -c 1k --depth 16 -d 5m --churn 100 --json\n"
      "  eddy load http://127.0.0.1:8080/ --find-max --slo 'p99.9<5ms'\n"
      "  mpirun -np 4 eddy load http://10.0.0.5/ -c 400 -R 200k --html run.html");
  return {command, [options, below, command] {
            for (const Command& each : below) {
              if (!each.arguments->parsed()) continue;
              if (load::was_launched_as_rank()) {
                return refuse(each.arguments->get_name() +
                              " is done by one process, and not by ranks of MPI");
              }
              if (options->target.empty()) return each.run();
              return refuse("a target is loaded, or " + each.arguments->get_name() + " is done");
            }
            if (!options->profile_file.empty()) {
              const std::string wrong = take_profile(options->profile_file, *command);
              if (!wrong.empty()) return refuse(wrong);
            }
            options->duration_given = command->count("--duration") > 0;
            return run_load(*command, *options);
          }};
}

}  // namespace eddy::tools
