#include "load_options.h"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "load/objective.h"

namespace eddy::tools {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// The options that `add` adds have a heading of their own in the help.
void under(CLI::App& command, const std::string& heading, const std::function<void()>& add) {
  const size_t before = command.get_options().size();
  add();
  const std::vector<CLI::Option*> options = command.get_options();
  for (size_t i = before; i < options.size(); ++i) options[i]->group(heading);
}

constexpr Kind<uint64_t> kThreads = {
    parse_count, "N", "a number such as 4; a store's commands are --mix get=9,set=1"};
constexpr Kind<double> kExponent = {parse_rate, "EXPONENT", "a number such as 0.99"};

void describe_connections(CLI::App& command, LoadArguments& arguments) {
  add_option(command, "-t,--threads", arguments.threads, kThreads, {1, 1024}, "1",
             "Threads that share the connections and the rate");
  add_option(command, "-c,--connections", arguments.connections, kCount, {1, 1'000'000}, "64",
             "Connections held open");
  add_option(command, "--size", arguments.size, kSize, {1, 1024 * 1024 * 1024}, "64",
             "Bytes of a request; the answer has as many");
  add_option(command, "-P,--depth", arguments.depth, kCount, {1, 65536}, "1",
             "Requests in flight on each connection");
  add_option(command, "--timeout", arguments.timeout, kDuration, {milliseconds(1), hours(1)}, "5s",
             "A connection that keeps a request waiting longer is given up; so is a connect");
  add_option(command, "--requests-per-connection", arguments.requests_per_connection, kCount,
             {0, UINT64_MAX}, "0",
             "Close a connection after so many answers, and make another; 0: keep it");
  add_option(command, "--churn", arguments.churn_per_second, kCount, {0, 1'000'000}, "0",
             "End so many connections a second at random, by reset, close and half-close, and open "
             "them again");
}

void describe_http(CLI::App& command, LoadArguments& arguments) {
  command
      .add_option("-H,--header", arguments.request.headers,
                  "A header, 'Name: value'; may be repeated")
      ->allow_extra_args(false)
      ->type_name("HEADER");
  command.add_option("-X,-m,--method", arguments.request.method, "GET unless said otherwise")
      ->type_name("METHOD");
  command.add_option("--body", arguments.request.body, "What is sent behind the headers")
      ->type_name("TEXT");
  command.add_option("-D,--body-file", arguments.request.body_file, "… from a file")
      ->type_name("FILE");
  add_option(command, "--expect-status", arguments.http.expected_status, kCount, {100, 599}, "",
             "Any other is a wrong answer; without it, those of 400 and above are");
  command
      .add_option("--expect-text", arguments.http.expected_text,
                  "A body without it is a wrong answer")
      ->type_name("TEXT");
}

void describe_tls(CLI::App& command, load::TlsRequest& tls) {
  command.add_option("--sni", tls.server_name, "The server's name, if not the URL's host")
      ->type_name("NAME");
  command.add_option("--ca", tls.ca_file, "Certificates to trust in the system's place")
      ->type_name("FILE");
  command.add_flag("-k,--insecure", tls.is_insecure, "Take any certificate")
      ->disable_flag_override();
  command.add_option("--cert", tls.certificate_file, "The own certificate, with its chain")
      ->type_name("FILE");
  command.add_option("--key", tls.key_file, "Its key, if that is not in the same file")
      ->type_name("FILE");
  command
      .add_flag("--tls-resume", tls.resume,
                "Resume sessions where the server offers it, instead of full handshakes")
      ->disable_flag_override();
}

void describe_stores(CLI::App& command, LoadArguments& arguments) {
  command
      .add_option("--mix", arguments.store_mix,
                  "redis, memcached: commands and their weights: get=9,set=1")
      ->type_name("MIX")
      ->capture_default_str();
  add_option(command, "-r,--keys", arguments.store.keys, kCount, {1, UINT32_MAX}, "100k",
             "redis, memcached, --script: so many keys");
  add_option(command, "--zipf", arguments.store.skew, kExponent, {0, 10}, "0",
             "… how much more popular some are: the k-th as often as 1/k to this power");
  command
      .add_flag("--fill", arguments.store.fill,
                "redis, memcached: set each of --keys once, and end: what runs that read them want")
      ->disable_flag_override();
  command
      .add_option("--script", arguments.script_file,
                  "tcp, unix: what is sent and expected on a connection (docs/load.md)")
      ->type_name("FILE");
}

void add_fail_if(CLI::App& command, std::vector<load::Objective>& fail_if) {
  const auto parse = [&fail_if](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      auto objective = load::parse_objective(text);
      if (!objective) {
        throw CLI::ValidationError("--fail-if", "'" + text + "': " + objective.error().advice());
      }
      fail_if.push_back(std::move(*objective));
    }
  };
  command
      .add_option_function<std::vector<std::string>>(
          "--fail-if", parse,
          "Exit with 99 if that holds of the run: 'p99>10ms', 'max>1s', 'errors>0.1%', 'rate<10k'; "
          "may be repeated")
      ->allow_extra_args(false)
      ->type_name("EXPR");
}

void add_server_pid(CLI::App& command, std::vector<int>& pids) {
  const auto parse = [&pids](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      const auto pid = parse_count(text);
      if (!pid || *pid < 1 || *pid > INT32_MAX) {
        throw CLI::ValidationError("--server-pid", "'" + text + "' is not the number of a process");
      }
      pids.push_back(static_cast<int>(*pid));
    }
  };
  command
      .add_option_function<std::vector<std::string>>(
          "--server-pid", parse,
          "Tell the CPU time that these processes and their children take for a request: "
          "$(pidof nginx)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("PID");
}

void describe_results(CLI::App& command, LoadArguments& arguments) {
  command.add_flag("--json", arguments.json, "One JSON object on stdout; latencies in µs")
      ->disable_flag_override();
  command
      .add_option("--html", arguments.files.html,
                  "Write a report for a browser: one file, which needs no network")
      ->type_name("FILE");
  command
      .add_option("--hlog", arguments.files.hlog, "Write a HdrHistogram log: an interval a second")
      ->type_name("FILE");
  command.add_option("--hgrm", arguments.files.hgrm, "Write the percentiles as HdrHistogram does")
      ->type_name("FILE");
  command.add_option("--csv", arguments.files.csv, "Write a line a second")->type_name("FILE");
  command
      .add_option("--prometheus", arguments.prometheus,
                  "Serve metrics while it goes on: http://ADDRESS/metrics; :9100 is any address")
      ->type_name("ADDRESS");
  command.add_flag("--quiet", arguments.quiet, "Nothing on stderr but what goes wrong")
      ->disable_flag_override();
  add_server_pid(command, arguments.server_pids);
}

// What other load generators' users write.
void describe_dialect(CLI::App& command) {
  command
      .add_flag_function(
          "-L,--latency", [](int64_t) {}, "wrk: percentiles are shown with it and without")
      ->disable_flag_override();
  command
      .add_option_function<std::string>(
          "-s",
          [](const std::string&) {
            throw CLI::ValidationError(
                "-s",
                "a script of wrk's, in Lua, is not run: --method, --header, --body-file and "
                "--expect-text, or for tcp:// --script, say what is sent and expected");
          },
          "wrk: is refused, with the names of what replaces it")
      ->type_name("FILE");
}

// … and what stands for it here. A flag of theirs is refused before its value is missed.
struct Foreign {
  const char* names;
  const char* here;
};
constexpr Foreign kForeign[] = {
    {"-T", "-H 'Content-Type: TYPE'"},
    {"-A", "-H 'Accept: TYPE'"},
    {"-a", "-H 'Authorization: Basic …', with USER:PASSWORD in base64"},
    {"-o", "--csv FILE, or --json"},
    {"-p", "a part of the target: redis://HOST:PORT"},
    {"-u,--vus", "-c"},
    {"-i,--iterations", "-n"},
    {"--cpus", "-t"},
    {"--host", "a part of the target, or -H 'Host: NAME'"},
    {"--disable-keepalive", "--requests-per-connection 1"},
};

void refuse_foreign(CLI::App& command) {
  for (const auto& [names, here] : kForeign) {
    command
        .add_option_function<std::string>(
            names,
            [what = std::string(names) + ": here it is " + here](const std::string&) {
              throw CLI::ParseError(what, CLI::ExitCodes::ValidationError);
            })
        ->group("")
        ->expected(0, 1);
  }
}

}  // namespace

void describe_load(CLI::App& command, LoadArguments& arguments) {
  command
      .add_option("target", arguments.target,
                  "What to load: http://HOST/PATH, https://HOST/PATH, redis://HOST, "
                  "memcached://HOST, or an echo server: "
                  "tcp://HOST:PORT, udp://HOST:PORT, unix:PATH, "
                  "unix:@NAME")
      ->type_name("TARGET");
  command
      .add_option("--profile", arguments.profile_file,
                  "Options from a file, in TOML, by their long names: connections = 100. Those of "
                  "the command line come first")
      ->type_name("FILE");
  under(command, "Connections", [&] { describe_connections(command, arguments); });
  under(command, "When requests are sent", [&] {
    describe_arrivals(command, arguments, arguments.arrivals);
    add_option(command, "--seed", arguments.seed, kCount, {0, UINT64_MAX}, "1",
               "What the schedule, --mix, --zipf and --churn draw from: the same seed, the same "
               "run");
    add_option(
        command, "--spin", arguments.spin, kDuration, {nanoseconds(0), milliseconds(100)}, "100us",
        "With --rate: poll so long before a moment of the schedule, in the place of sleeping; 0 "
        "where the server shares the CPU");
  });
  under(command, "HTTP", [&] { describe_http(command, arguments); });
  under(command, "TLS", [&] { describe_tls(command, arguments.tls_request); });
  under(command, "Stores and scripts", [&] { describe_stores(command, arguments); });
  under(command, "Results", [&] { describe_results(command, arguments); });
  under(command, "Objectives", [&] {
    add_fail_if(command, arguments.fail_if);
    add_search_options(command, arguments.search);
  });
  under(command, "The reactor", [&] { add_reactor_options(command, arguments.reactor); });
  under(command, "As others write it", [&] { describe_dialect(command); });
  refuse_foreign(command);
}

}  // namespace eddy::tools
