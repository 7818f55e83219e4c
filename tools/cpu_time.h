#pragma once

#include <stdint.h>

#include <optional>
#include <vector>

namespace eddy::tools {

// Nanoseconds that all threads of a process have been on a CPU: /proc/PID/task/*/schedstat, the
// first field (Documentation/scheduler/sched-stats.rst). Nothing if there is no such process, or
// its files cannot be read.
std::optional<uint64_t> process_cpu_ns(int pid);

// Of several, and of all that descend from them, each once: a server's master has workers. Who
// descends is told by /proc/PID/task/*/children (proc(5)). A process that has ended is not counted.
uint64_t processes_cpu_ns(const std::vector<int>& pids);

// Of this process.
uint64_t own_cpu_ns();
// Of the calling thread.
uint64_t thread_cpu_ns();

}  // namespace eddy::tools
