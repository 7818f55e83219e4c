// What a test runs on: this machine's Linux.
//
// What it is: the system calls, the clock and the descriptors of a test's own, for its peers and
// its checks.
//
// Threads: one at a time; on Linux any, for the calls of `plain_kernel()`.
#pragma once

#include <dirent.h>
#include <eddy/core/linux_kernel.h>
#include <eddy/core/time.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string_view>

namespace eddy::test {

class Machine {
 public:
  Kernel& kernel() const { return linux_kernel(); }

  // --- What the seam lacks: as the system calls, but failure is a negative errno.
  int pipe(int descriptors[2], int flags) const {
    return ::pipe2(descriptors, flags) == 0 ? 0 : -errno;
  }
  int duplicate(int fd) const {
    const int same = ::dup(fd);
    return same < 0 ? -errno : same;
  }
  ssize_t write(int fd, std::string_view bytes) const {
    const iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: iovec's type
    return kernel().writev(fd, &piece, 1);
  }
  void raise(int signal_number) const { ::raise(signal_number); }

  size_t open_descriptors() const {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
    size_t count = 0;
    while (folder != nullptr && readdir(folder.get()) != nullptr) ++count;
    return count;
  }

  // --- Time
  TimePoint now() const { return TimePoint(std::chrono::nanoseconds(kernel().monotonic_ns())); }
  // Time passes, and no reactor turns.
  void pass(std::chrono::nanoseconds time) {
    for (const TimePoint until = now() + time; now() < until;) ::poll(nullptr, 0, 1);
  }
};

inline Machine& machine() {
  static Machine linux_itself;
  return linux_itself;
}
// Of that machine, without the faults that a test may have its reactor meet.
inline Kernel& plain_kernel() { return machine().kernel(); }

}  // namespace eddy::test
