#include "window.h"

#include <dirent.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace bench {
namespace {

uint64_t read_clock(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

// The time on a CPU of every thread of the process: the first field of its schedstat
// (Documentation/scheduler/sched-stats.rst).
uint64_t process_cpu_ns(int pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* dir = opendir(tasks.c_str());
  if (dir == nullptr) fail("the server (process " + std::to_string(pid) + ") is gone");
  uint64_t total = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    if (FILE* file = std::fopen((tasks + "/" + entry->d_name + "/schedstat").c_str(), "r")) {
      unsigned long long ns = 0;
      if (std::fscanf(file, "%llu", &ns) == 1) total += ns;
      std::fclose(file);
    }
  }
  closedir(dir);
  return total;
}

}  // namespace

void fail(const std::string& what) {
  std::fprintf(stderr, "bench_client: %s\n", what.c_str());
  std::exit(1);
}

void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

uint64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }

double Histogram::percentile_us(double p) const {
  uint64_t total = 0, seen = 0;
  for (uint64_t n : counts_) total += n;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen > 0 && static_cast<double>(seen) >= p * static_cast<double>(total)) {
      return static_cast<double>(value(i)) / 1000.0;
    }
  }
  return 0;
}

Window::Mark Window::mark() const {
  uint64_t server = 0;
  for (const int pid : options_.server_pids) server += process_cpu_ns(pid);
  return {now_ns(), server, read_clock(CLOCK_PROCESS_CPUTIME_ID), bytes};
}

void Window::open() {
  latency.clear();
  lateness.clear();
  lost = 0;
  from_ = mark();
}

void Window::close() {
  to_ = mark();
  if (to_.bytes == from_.bytes) fail("nothing came back in the measured window");
}

void Window::print() const {
  const double seconds = static_cast<double>(to_.wall_ns - from_.wall_ns) / 1e9;
  const double came = static_cast<double>(to_.bytes - from_.bytes);
  const double requests = came / static_cast<double>(options_.size);
  const double server = static_cast<double>(to_.server_ns - from_.server_ns);
  const double client = static_cast<double>(to_.client_ns - from_.client_ns);
  const auto given_up = static_cast<unsigned long long>(lost);
  if (options_.json) {
    std::printf(
        "{\"seconds\":%.6f,\"bytes\":%.0f,\"requests\":%.3f,\"lost\":%llu,\"server_cpu_ns\":%.0f,"
        "\"client_cpu_ns\":%.0f,\"p50_us\":%.3f,\"p90_us\":%.3f,\"p99_us\":%.3f,"
        "\"p999_us\":%.3f,\"lateness_p50_us\":%.3f,\"lateness_p99_us\":%.3f}\n",
        seconds, came, requests, given_up, server, client, latency.percentile_us(0.5),
        latency.percentile_us(0.9), latency.percentile_us(0.99), latency.percentile_us(0.999),
        lateness.percentile_us(0.5), lateness.percentile_us(0.99));
    return;
  }
  std::printf(
      "%.0f requests/s, %.1f MB/s in %.3f s, %llu lost; p50 %.1f us, p99 %.1f us; client on its "
      "core %.0f %% of the time\n",
      requests / seconds, came / seconds / 1e6, seconds, given_up, latency.percentile_us(0.5),
      latency.percentile_us(0.99), client / seconds / 1e7);
  if (!options_.server_pids.empty()) {
    std::printf("server: %.3f us of CPU a request, on a core %.0f %% of the time\n",
                server / requests / 1e3, server / seconds / 1e7);
  }
}

}  // namespace bench
