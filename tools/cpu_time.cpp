#include "cpu_time.h"

#include <time.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace eddy::tools {

std::optional<uint64_t> process_cpu_ns(int pid) {
  std::error_code error;
  std::filesystem::directory_iterator tasks("/proc/" + std::to_string(pid) + "/task", error);
  std::optional<uint64_t> total;
  for (; !error && tasks != std::filesystem::directory_iterator(); tasks.increment(error)) {
    uint64_t ns = 0;
    if (std::ifstream(tasks->path() / "schedstat") >> ns) total = total.value_or(0) + ns;
  }
  return total;
}

uint64_t own_cpu_ns() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace eddy::tools
