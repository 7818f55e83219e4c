// What a test runs on: this machine's Linux, or a host of a simulated world, whose loopback is
// itself and in which nothing goes wrong unless the test wants it to.
//
// What it is: the system calls, the clock and the descriptors of a test's own, for its peers and
// its checks. A fixture makes the one that `machine()` then gives; where there is none it is Linux.
//
// Threads: one at a time; on Linux any, for the calls of `plain_kernel()`.
#pragma once

#include <dirent.h>
#include <eddy/core/linux_kernel.h>
#include <eddy/core/time.h>
#include <eddy/sim/world.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace eddy::test {

class Machine {
 public:
  static constexpr int kDescriptors = 20'000;  // of a simulated host

  explicit Machine(bool simulated) : before_(std::exchange(current_, this)) {
    if (!simulated) return;
    constexpr uint64_t kSeed = 1;
    world_.emplace(kSeed);
    host_ = world_->host("10.0.0.1");
    host_->set_descriptor_limit(kDescriptors);
  }
  ~Machine() { current_ = before_; }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  static Machine& current() {
    if (current_ != nullptr) return *current_;
    static Machine linux_itself(false);
    return linux_itself;
  }

  bool is_simulated() const { return host_.has_value(); }
  Kernel& kernel() const { return host_ ? host_->kernel() : linux_kernel(); }
  const sim::Host& host() const { return *host_; }
  // What no correct program makes the simulated kernel see.
  std::string violation() const { return world_ ? world_->violation() : ""; }

  // --- What the seam lacks: as the system calls, but failure is a negative errno.
  int pipe(int descriptors[2], int flags) const {
    if (host_) return host_->pipe(descriptors, flags & O_NONBLOCK);
    return ::pipe2(descriptors, flags) == 0 ? 0 : -errno;
  }
  int duplicate(int fd) const { return kernel().duplicate(fd); }
  ssize_t write(int fd, std::string_view bytes) const {
    const iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: iovec's type
    return kernel().writev(fd, &piece, 1);
  }
  void raise(int signal_number) const {
    if (host_) return host_->raise(signal_number);
    ::raise(signal_number);
  }

  size_t open_descriptors() const {
    if (host_) return static_cast<size_t>(host_->open_descriptors());
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
    size_t count = 0;
    while (folder != nullptr && readdir(folder.get()) != nullptr) ++count;
    return count;
  }

  // In work that a pool does: a call that blocks for so long.
  void block(std::chrono::nanoseconds time) const {
    if (host_) return host_->spend(time);
    ::poll(nullptr, 0,
           static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(time).count()));
  }

  // --- Time
  TimePoint now() const { return TimePoint(std::chrono::nanoseconds(kernel().monotonic_ns())); }
  // Time passes, and no reactor turns.
  void pass(std::chrono::nanoseconds time) {
    if (host_) {
      host_->stall(time);
      return world_->run_for(time);
    }
    for (const TimePoint until = now() + time; now() < until;) ::poll(nullptr, 0, 1);
  }

 private:
  static inline Machine* current_ = nullptr;
  Machine* const before_;
  std::optional<sim::World> world_;
  std::optional<sim::Host> host_;
};

inline Machine& machine() { return Machine::current(); }
// Of that machine, without the faults that a test may have its reactor meet.
inline Kernel& plain_kernel() { return machine().kernel(); }

}  // namespace eddy::test
