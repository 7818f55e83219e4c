#pragma once

#include <stdint.h>

#include <optional>

namespace eddy::tools {

// Nanoseconds that all threads of a process have been on a CPU: /proc/PID/task/*/schedstat, the
// first field (Documentation/scheduler/sched-stats.rst). Nothing if there is no such process, or
// its files cannot be read.
std::optional<uint64_t> process_cpu_ns(int pid);

// Of this process.
uint64_t own_cpu_ns();

}  // namespace eddy::tools
