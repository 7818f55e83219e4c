#include "swarm.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace eddy::test {
namespace {

constexpr size_t kBackends = 2;
constexpr size_t kFailures = 8;
constexpr size_t kFailureText = 2000;
// Of one seed, in seconds: a loop that never comes back is a failure, too.
constexpr time_t kMostCpuTime = 20;

// What a process tells of its seeds, in memory that it shares with the one that asked.
struct Desk {
  SwarmTally tallies[kBackends];
  uint64_t seed;  // under way: known when the process dies
  size_t backend;
  size_t failures;
  struct {
    size_t backend;
    uint64_t seed;
    char what[kFailureText];
  } failure[kFailures];

  void fail(size_t index, uint64_t at, const std::string& what) {
    if (failures == kFailures) return;
    auto& entry = failure[failures++];
    entry.backend = index;
    entry.seed = at;
    strncpy(entry.what, what.c_str(), kFailureText - 1);
  }
};

class Worker {
 public:
  Worker(const SwarmOptions& options, Desk& desk) : options_(options), desk_(desk) {}

  void run_seed(uint64_t seed) {
    std::string expected;
    for (size_t i = 0; i < options_.backends.size(); ++i) {
      const ScenarioOutcome outcome = run_once(i, seed);
      if (!outcome.failure.empty()) {
        desk_.fail(i, seed, outcome.failure);
        continue;
      }
      if (is_calm(seed)) {
        if (i != 0 && !expected.empty() && outcome.application_trace != expected) {
          desk_.fail(i, seed, "the backends differ in what the application was told");
        }
        expected = outcome.application_trace;
      }
      if (seed % 50 == 0 && run_once(i, seed).trace_hash != outcome.trace_hash) {
        desk_.fail(i, seed, "two runs of one seed have different traces");
      }
    }
  }

 private:
  ScenarioOutcome run_once(size_t index, uint64_t seed) {
    desk_.seed = seed;
    desk_.backend = index;
    const itimerval limit = {.it_interval = {}, .it_value = {.tv_sec = kMostCpuTime, .tv_usec = 0}};
    setitimer(ITIMER_VIRTUAL, &limit, nullptr);  // SIGVTALRM ends the process
    const auto from = std::chrono::steady_clock::now();
    ScenarioOutcome outcome =
        run_scenario({.seed = seed, .backend = options_.backends[index], .calm = is_calm(seed)});
    const int64_t took = std::chrono::nanoseconds(std::chrono::steady_clock::now() - from).count();
    SwarmTally& tally = desk_.tallies[index];
    ++tally.runs;
    tally.operations += outcome.operations;
    tally.busy_ns += took;
    for (size_t kind = 0; kind < sim::kFaults; ++kind) tally.faults[kind] += outcome.faults[kind];
    if (took > tally.slowest_ns) {
      tally.slowest_ns = took;
      tally.slowest_seed = seed;
    }
    return outcome;
  }

  const SwarmOptions& options_;
  Desk& desk_;
};

void add(SwarmTally& sum, const SwarmTally& part) {
  sum.runs += part.runs;
  sum.operations += part.operations;
  sum.busy_ns += part.busy_ns;
  for (size_t kind = 0; kind < sim::kFaults; ++kind) sum.faults[kind] += part.faults[kind];
  if (part.slowest_ns > sum.slowest_ns) {
    sum.slowest_ns = part.slowest_ns;
    sum.slowest_seed = part.slowest_seed;
  }
}

bool any_failed(const Desk* desks, unsigned jobs) {
  return std::any_of(desks, desks + jobs, [](const Desk& desk) { return desk.failures != 0; });
}

}  // namespace

bool is_calm(uint64_t seed) { return seed % 5 == 0; }

SwarmOutcome run_swarm(const SwarmOptions& options) {
  const size_t size = options.jobs * sizeof(Desk);
  auto* desks = static_cast<Desk*>(
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::vector<pid_t> children;
  for (unsigned job = 0; job < options.jobs; ++job) {
    const pid_t child = fork();
    if (child == 0) {
      Worker worker(options, desks[job]);
      for (uint64_t i = job; i < options.count; i += options.jobs) {
        worker.run_seed(options.first + i);
        if (desks[job].failures == kFailures) break;
        if (options.stop_at_first && any_failed(desks, options.jobs)) break;
      }
      _exit(0);
    }
    children.push_back(child);
  }

  SwarmOutcome outcome;
  for (unsigned job = 0; job < options.jobs; ++job) {
    int status = 0;
    while (waitpid(children[job], &status, options.progress ? WNOHANG : 0) == 0) {
      uint64_t runs = 0;
      for (unsigned i = 0; i < options.jobs; ++i) {
        for (const SwarmTally& tally : desks[i].tallies) runs += tally.runs;
      }
      fprintf(stderr, "\r%llu runs ", static_cast<unsigned long long>(runs));
      usleep(100'000);
    }
    const Desk& desk = desks[job];
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      outcome.failures.push_back({options.backends[desk.backend], desk.seed,
                                  WIFSIGNALED(status) && WTERMSIG(status) == SIGVTALRM
                                      ? "it did not end within 20 s of CPU time"
                                      : "the process died of it (see above)"});
    }
    for (size_t i = 0; i < desk.failures; ++i) {
      outcome.failures.push_back(
          {options.backends[desk.failure[i].backend], desk.failure[i].seed, desk.failure[i].what});
    }
  }
  if (options.progress) fputs("\r\033[K", stderr);
  for (size_t i = 0; i < options.backends.size(); ++i) {
    SwarmTally& sum = outcome.tallies.emplace_back();
    for (unsigned job = 0; job < options.jobs; ++job) add(sum, desks[job].tallies[i]);
  }
  std::ranges::sort(outcome.failures, {}, &SwarmFailure::seed);
  munmap(desks, size);
  return outcome;
}

}  // namespace eddy::test
