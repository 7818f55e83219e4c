// eddy-sim: the reactor over the simulated kernel, seed by seed.
#include <eddy/core/canary.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <sstream>

#include "swarm.h"

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

std::vector<BackendKind> backends_of(const std::string& name) {
  if (name == "epoll") return {BackendKind::kEpoll};
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

// Lines of "BACKEND SEED what it found"; what begins with # is a remark.
int run_file(const Arguments& arguments) {
  std::ifstream file(arguments.seeds_file);
  if (!file) {
    fprintf(stderr, "eddy-sim: %s cannot be read\n", arguments.seeds_file.c_str());
    return kBadArguments;
  }
  int status = 0;
  size_t seeds = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Arguments one;
    if (!(words >> one.backend) || one.backend.starts_with('#')) continue;
    if (!(words >> one.seed)) {
      fprintf(stderr, "eddy-sim: %s: no seed in '%s'\n", arguments.seeds_file.c_str(),
              line.c_str());
      return kBadArguments;
    }
    ++seeds;
    status = std::max(status, run_one(one));
  }
  printf("%zu kept seeds\n", seeds);
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
  return arguments.backend == "both" && arguments.count >= 1000 ? check_faults(outcome) : 0;
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{
      "The reactor over a simulated kernel: each seed is a world, and what goes wrong in it."};
  app.add_option("--seed", arguments.seed, "Run this seed");
  app.add_option("--first", arguments.first, "The first of many seeds")->capture_default_str();
  app.add_option("--count", arguments.count, "Run so many seeds, and sum up");
  app.add_option("--seeds", arguments.seeds_file,
                 "Run the seeds of this file: a line each, BACKEND SEED");
  app.add_option("--backend", arguments.backend, "epoll, uring or both")
      ->check(CLI::IsMember({"epoll", "uring", "both"}))
      ->capture_default_str();
  app.add_option("--jobs", arguments.jobs, "Processes, for --count")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_flag("--stop-at-first", arguments.stop_at_first, "No more seeds after one that failed");
  app.add_flag("--trace", arguments.trace, "Print each event of the seed");
  app.add_flag("--hashes", arguments.hashes, "With --count: print the hash of each seed's trace");
  app.add_flag("--calm", arguments.calm,
               "Only faults that break no connection (each fifth seed is so)");
  app.footer("Exit status: 0 everything held; 1 something did not; 2 bad arguments.");
#ifdef EDDY_CANARIES
  std::string canary = "none";
  app.add_option("--canary", canary, "The bug that is put in")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kCanaries), std::end(kCanaries))));
#endif
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fprintf(stderr, "eddy-sim: %s\n", error.what());
    return kBadArguments;
  }
#ifdef EDDY_CANARIES
  canary_that_sings = static_cast<Canary>(std::ranges::find(kCanaries, canary) - kCanaries);
#endif
  if (!arguments.seeds_file.empty()) return run_file(arguments);
  if (arguments.hashes) return print_hashes(arguments);
  if (arguments.count != 0) return run_many(arguments);
  if (app.count("--seed") != 0) return run_one(arguments);
  fputs("eddy-sim: nothing to do: give --seed, --count or --seeds\n", stderr);
  return kBadArguments;
}

}  // namespace
}  // namespace eddy::test

int main(int argc, char** argv) { return eddy::test::run(argc, argv); }
