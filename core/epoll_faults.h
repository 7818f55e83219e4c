// What a FaultyKernel does to epoll: tells of readiness that is not there, and tells again of one
// that it has denied.
//
// It knows what is registered from the calls that pass, so it is asked about every one. Threads:
// its kernel's.
#pragma once

#include <eddy/core/fault_plan.h>
#include <eddy/core/kernel.h>
#include <stdint.h>

#include <map>

namespace eddy {

class EpollFaults {
 public:
  EpollFaults(Kernel& inner, FaultPlan& plan) : inner_(inner), plan_(plan) {}

  // The operation is EPOLL_CTL_ADD.
  static bool adds(int operation);
  int control(int epoll_fd, int operation, int fd, epoll_event* event);
  int wait(int epoll_fd, epoll_event* events, int capacity, int64_t timeout_ns);
  // The next `wait` tells that the descriptor can be read, or written, if that is asked for, or
  // that something is in its error queue.
  void tell_readable(int fd);
  void tell_writable(int fd);
  void tell_error(int fd);
  // The descriptor is closed.
  void forget(int fd) { registered_.erase(fd); }

 private:
  struct Registration {
    int epoll_fd;
    uint32_t events;
    uint64_t data;
    uint32_t to_tell = 0;
    uint32_t lasting = 0;      // told once, true for good, so told with all that comes later
    bool can_be_read = false;  // no pipe's other end
    bool was_writable = false;
  };
  bool choose_spurious(int epoll_fd);
  int add_told(int epoll_fd, epoll_event* events, int count, int capacity);

  Kernel& inner_;
  FaultPlan& plan_;
  std::map<int, Registration> registered_;  // by descriptor: each is in one epoll at most
};

}  // namespace eddy
