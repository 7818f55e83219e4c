// eddy-sim: the reactor over the simulated kernel, seed by seed.
#include <eddy/core/canary.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>
#include <limits>
#include <optional>
#include <sstream>

#include "swarm.h"
#include "tools/arguments.h"
#include "tools/format.h"

#ifdef EDDY_CANARIES
namespace eddy {
Canary canary_that_sings = Canary::kNone;
}
#endif

namespace eddy::test {
namespace {

#ifdef EDDY_CANARIES
constexpr const char* kCanaries[] = {"none",       "buffer-returned-twice", "late-completion",
                                     "lost-rearm", "half-close-drops-data", "timer-after-cancel"};
static_assert(std::size(kCanaries) == static_cast<size_t>(Canary::kCount));
#endif

constexpr int kFailed = 1;
constexpr int kBadArguments = 2;
constexpr uint64_t kMostSeeds = 1'000'000'000;  // months
constexpr uint64_t kLastSeed = std::numeric_limits<uint64_t>::max();

// Digits, and nothing else: what is told to be replayed is told so.
std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.begin(), text.end(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.end()) return std::nullopt;
  return number;
}

constexpr tools::Kind<uint64_t> kNumber = {parse_number, "N",
                                           "a number from 0 to 18446744073709551615"};

struct Arguments {
  uint64_t seed = 0;
  uint64_t first = 1;
  uint64_t count = 0;
  std::string backend = "both";
  std::string seeds_file;
  unsigned jobs = 2;
  bool stop_at_first = false;
  bool trace = false;
  bool hashes = false;
  bool calm = false;
};

bool is_backend(std::string_view name) {
  return name == "epoll" || name == "uring" || name == "both";
}

#if EDDY_HAS_URING
constexpr bool kHasUring = true;
#else
constexpr bool kHasUring = false;
#endif

std::vector<BackendKind> backends_of(const std::string& name) {
  if (name == "epoll" || (name == "both" && !kHasUring)) return {BackendKind::kEpoll};
  if (name == "uring") return {BackendKind::kUring};
  return {BackendKind::kEpoll, BackendKind::kUring};
}

// What streams over TCP cannot meet: tests/kernel_contract_test.cpp has them.
bool needs_datagrams(sim::Fault fault) {
  return fault == sim::Fault::kDatagramLost || fault == sim::Fault::kDatagramDuplicated ||
         fault == sim::Fault::kDatagramReordered;
}

void print_failure(const SwarmFailure& failure) {
  printf("seed %" PRIu64 " on %s: %s\n  replay it with: eddy-sim --seed %" PRIu64
         " --backend %s --trace\n",
         failure.seed, to_string(failure.backend), failure.what.c_str(), failure.seed,
         to_string(failure.backend));
}

int run_one(const Arguments& arguments) {
  int status = 0;
  for (const BackendKind backend : backends_of(arguments.backend)) {
    const ScenarioOutcome outcome = run_scenario({.seed = arguments.seed,
                                                  .backend = backend,
                                                  .calm = arguments.calm || is_calm(arguments.seed),
                                                  .trace = arguments.trace ? stdout : nullptr});
    printf("seed %" PRIu64 " on %s: %s, %" PRIu64 " operations, trace %016" PRIx64 "\n",
           arguments.seed, to_string(backend), outcome.failure.empty() ? "held" : "FAILED",
           outcome.operations, outcome.trace_hash);
    if (outcome.failure.empty()) continue;
    printf("%s\n", outcome.failure.c_str());
    status = kFailed;
  }
  return status;
}

int refuse(const std::string& what) {
  fprintf(stderr, "eddy-sim: %s\n", tools::one_line(what).c_str());
  return kBadArguments;
}

// What a line says, as arguments; nothing if it is no "BACKEND SEED what it found".
std::optional<Arguments> parse_kept(const std::string& line) {
  std::istringstream words(line);
  Arguments one;
  std::string seed;
  if (!(words >> one.backend >> seed) || !is_backend(one.backend)) return std::nullopt;
  const auto number = parse_number(seed);
  if (!number) return std::nullopt;
  one.seed = *number;
  return one;
}

// All lines are read before the first one is run. What begins with # is a remark.
int run_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return refuse(path + " cannot be read");
  std::vector<Arguments> kept;
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos || line[begin] == '#') continue;
    const auto one = parse_kept(line);
    if (!one) {
      constexpr size_t kShown = 60;
      return refuse(path + ":" + std::to_string(number) + ": '" + line.substr(0, kShown) +
                    "' is not BACKEND SEED, such as epoll 37");
    }
    kept.push_back(*one);
  }
  if (file.bad()) return refuse(path + " cannot be read");
  if (kept.empty()) {
    return refuse(path + ":" + std::to_string(std::max<size_t>(number, 1)) +
                  ": no line is BACKEND SEED, such as epoll 37");
  }
  int status = 0;
  if (!kHasUring) std::erase_if(kept, [](const Arguments& one) { return one.backend == "uring"; });
  for (const Arguments& one : kept) status = std::max(status, run_one(one));
  printf("%zu kept seeds\n", kept.size());
  return status;
}

void print_faults(const SwarmOutcome& outcome, const std::vector<BackendKind>& backends) {
  printf("\n%-24s", "faults");
  for (const BackendKind backend : backends) printf("%14s", to_string(backend));
  for (size_t kind = 0; kind < sim::kFaults; ++kind) {
    printf("\n%-24s", sim::to_string(static_cast<sim::Fault>(kind)));
    for (const SwarmTally& tally : outcome.tallies) printf("%14" PRIu64, tally.faults[kind]);
  }
  printf("\n\n");
}

// Every kind must have struck, or the run shows nothing about it.
int check_faults(const SwarmOutcome& outcome) {
  int status = 0;
  for (size_t kind = 0; kind < sim::kFaults; ++kind) {
    const auto fault = static_cast<sim::Fault>(kind);
    uint64_t count = 0;
    for (const SwarmTally& tally : outcome.tallies) count += tally.faults[kind];
    if (count != 0 || needs_datagrams(fault)) continue;
    printf("the fault '%s' never struck\n", sim::to_string(fault));
    status = kFailed;
  }
  return status;
}

// What must be the same whatever the compiler, the sanitizers and the addresses.
int print_hashes(const Arguments& arguments) {
  for (uint64_t seed = arguments.first; seed < arguments.first + arguments.count; ++seed) {
    for (const BackendKind backend : backends_of(arguments.backend)) {
      const auto outcome = run_scenario({.seed = seed, .backend = backend, .calm = is_calm(seed)});
      printf("%" PRIu64 " %s %016" PRIx64 " %" PRIu64 "\n", seed, to_string(backend),
             outcome.trace_hash, outcome.operations);
    }
  }
  return 0;
}

int run_many(const Arguments& arguments) {
  const auto backends = backends_of(arguments.backend);
  const SwarmOutcome outcome = run_swarm({.first = arguments.first,
                                          .count = arguments.count,
                                          .backends = backends,
                                          .jobs = arguments.jobs,
                                          .stop_at_first = arguments.stop_at_first,
                                          .progress = isatty(STDERR_FILENO) == 1});
  for (size_t i = 0; i < backends.size(); ++i) {
    const SwarmTally& tally = outcome.tallies[i];
    const double seconds = static_cast<double>(tally.busy_ns) / 1e9;
    printf("%-6s %" PRIu64
           " runs, %.0f operations a run, %.0f operations a second and core; "
           "the slowest: seed %" PRIu64 ", %.0f ms\n",
           to_string(backends[i]), tally.runs,
           static_cast<double>(tally.operations) /
               static_cast<double>(std::max<uint64_t>(tally.runs, 1)),
           static_cast<double>(tally.operations) / seconds, tally.slowest_seed,
           static_cast<double>(tally.slowest_ns) / 1e6);
  }
  print_faults(outcome, backends);
  for (const SwarmFailure& failure : outcome.failures) print_failure(failure);
  if (!outcome.failures.empty()) return kFailed;
  return arguments.backend == "both" && arguments.count >= 1000 && kHasUring ? check_faults(outcome)
                                                                             : 0;
}

// What goes with what; CLI11 tells which two do not.
void add_arguments(CLI::App& app, Arguments& arguments) {
  const tools::Range<uint64_t> seeds = {0, kLastSeed};
  CLI::Option* seed =
      tools::add_option(app, "--seed", arguments.seed, kNumber, seeds, "", "Run this seed");
  CLI::Option* count = tools::add_option(app, "--count", arguments.count, kNumber, {1, kMostSeeds},
                                         "", "Run so many seeds, and sum up");
  CLI::Option* file = app.add_option("--seeds", arguments.seeds_file,
                                     "Run the seeds of this file: a line each, BACKEND SEED");
  seed->excludes(count)->excludes(file);
  count->excludes(file);
  tools::add_option(app, "--first", arguments.first, kNumber, seeds, "1", "The first of many seeds")
      ->needs(count);
  tools::add_option(app, "--jobs", arguments.jobs, kNumber, {1, 256}, "2", "Processes, for --count")
      ->needs(count);
  app.add_option("--backend", arguments.backend, "epoll, uring or both")
      ->check(
          [](const std::string& name) {
            return is_backend(name) ? "" : "'" + name + "' is not epoll, uring or both";
          },
          "NAME")
      ->excludes(file)
      ->capture_default_str();
  app.add_flag("--stop-at-first", arguments.stop_at_first, "No more seeds after one that failed")
      ->needs(count);
  app.add_flag("--trace", arguments.trace, "Print each event of the seed")->needs(seed);
  app.add_flag("--hashes", arguments.hashes, "With --count: print the hash of each seed's trace")
      ->needs(count);
  app.add_flag("--calm", arguments.calm,
               "Only faults that break no connection (each fifth seed is so)")
      ->needs(seed);
  app.footer("Exit status: 0 everything held; 1 something did not; 2 bad arguments.");
}

int run_what_is_asked_for(const CLI::App& app, const Arguments& arguments) {
  if (arguments.backend == "uring" && !kHasUring) return refuse("built without io_uring");
  if (app.count("--seeds") != 0) return run_file(arguments.seeds_file);
  if (app.count("--seed") != 0) return run_one(arguments);
  if (app.count("--count") == 0) return refuse("nothing to do: give --seed, --count or --seeds");
  if (arguments.first > kLastSeed - arguments.count) {
    return refuse("--first " + std::to_string(arguments.first) + " with --count " +
                  std::to_string(arguments.count) + " goes beyond the last seed");
  }
  return arguments.hashes ? print_hashes(arguments) : run_many(arguments);
}

// The status, unless what was to be told did not get out.
int after_output(int status) {
  std::cout.flush();
  const bool flushed = fflush(stdout) == 0;
  if (flushed && ferror(stdout) == 0 && std::cout.good()) return status;
  fputs("eddy-sim: cannot write to standard output\n", stderr);
  return status == 0 ? kFailed : status;
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{
      "The reactor over a simulated kernel: each seed is a world, and what goes wrong in it."};
  add_arguments(app, arguments);
#ifdef EDDY_CANARIES
  std::string canary = "none";
  app.add_option("--canary", canary, "The bug that is put in")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kCanaries), std::end(kCanaries))));
#endif
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return after_output(app.exit(help));
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
#ifdef EDDY_CANARIES
  canary_that_sings = static_cast<Canary>(std::ranges::find(kCanaries, canary) - kCanaries);
#endif
  return after_output(run_what_is_asked_for(app, arguments));
}

}  // namespace
}  // namespace eddy::test

int main(int argc, char** argv) {
  // A descriptor 1 that is not open would become another file's.
  if (fcntl(STDOUT_FILENO, F_GETFD) < 0) open("/dev/null", O_RDONLY);
  unsetenv("EDDY_BACKEND");  // --backend says which
  return eddy::test::run(argc, argv);
}
