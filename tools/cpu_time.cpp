#include "cpu_time.h"

#include <time.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

namespace eddy::tools {
namespace {

uint64_t clock_ns(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// Calls `each` with that file of every thread of the process.
template <typename Each>
void for_threads(int pid, const char* file, Each each) {
  std::error_code error;
  std::filesystem::directory_iterator tasks("/proc/" + std::to_string(pid) + "/task", error);
  for (; !error && tasks != std::filesystem::directory_iterator(); tasks.increment(error)) {
    each(std::ifstream(tasks->path() / file));
  }
}

void add_once(int pid, std::vector<int>& pids) {
  if (std::ranges::find(pids, pid) == pids.end()) pids.push_back(pid);
}

}  // namespace

std::optional<uint64_t> process_cpu_ns(int pid) {
  std::optional<uint64_t> total;
  for_threads(pid, "schedstat", [&total](std::ifstream file) {
    uint64_t ns = 0;
    if (file >> ns) total = total.value_or(0) + ns;
  });
  return total;
}

uint64_t processes_cpu_ns(const std::vector<int>& pids) {
  std::vector<int> all;
  for (const int pid : pids) add_once(pid, all);
  uint64_t total = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    total += process_cpu_ns(all[i]).value_or(0);
    for_threads(all[i], "children", [&all](std::ifstream file) {
      for (int pid = 0; file >> pid;) add_once(pid, all);
    });
  }
  return total;
}

uint64_t own_cpu_ns() { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

uint64_t thread_cpu_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace eddy::tools
