// The kernel seam: everything that eddy asks of the outside, and nothing else.
//
// What it is: an abstract class whose functions are the system calls of the man pages' section 2,
// with their arguments and meaning, except that failure is a returned negative errno (-EAGAIN) and
// errno is not touched. `LinuxKernel` (core/linux_kernel.h) forwards to Linux; `FaultyKernel`
// (core/faulty_kernel.h) fails, shortens, delays and reorders what another Kernel does; a simulated
// kernel implements the same functions over a model.
//
// Cost: one virtual call beside a system call. The io_uring hot path writes submission entries and
// reads completions in memory that `uring_map` gave, so it meets this class once a turn, in
// `uring_enter`.
//
// Ownership: descriptors that a function returns belong to the caller, who gives them to `close`.
//
// Threads: a Kernel may be used by several reactors in several threads at once. `write_eventfd` may
// also be called from any thread and from a signal handler.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct epoll_event;
struct io_uring_params;

namespace eddy {

class Loop;

// What a descriptor refers to, as far as eddy treats them differently.
enum class DescriptorKind : uint8_t { kSocket, kPipe, kTerminal, kRegularFile, kOther };

class Kernel {
 public:
  virtual ~Kernel() = default;

  // --- Sockets. Descriptors are made close-on-exec and non-blocking: pass SOCK_CLOEXEC |
  // SOCK_NONBLOCK.
  virtual int socket(int domain, int type, int protocol) = 0;
  virtual int socketpair(int domain, int type, int protocol, int descriptors[2]) = 0;
  virtual int bind(int fd, const sockaddr* address, socklen_t length) = 0;
  virtual int listen(int fd, int backlog) = 0;
  virtual int accept4(int fd, sockaddr* address, socklen_t* length, int flags) = 0;
  virtual int connect(int fd, const sockaddr* address, socklen_t length) = 0;
  virtual int shutdown(int fd, int how) = 0;
  virtual int getsockname(int fd, sockaddr* address, socklen_t* length) = 0;
  virtual int getpeername(int fd, sockaddr* address, socklen_t* length) = 0;
  virtual int getsockopt(int fd, int level, int name, void* value, socklen_t* length) = 0;
  virtual int setsockopt(int fd, int level, int name, const void* value, socklen_t length) = 0;
  virtual ssize_t recv(int fd, void* data, size_t size, int flags) = 0;
  virtual ssize_t send(int fd, const void* data, size_t size, int flags) = 0;
  virtual ssize_t recvmsg(int fd, msghdr* message, int flags) = 0;
  virtual ssize_t sendmsg(int fd, const msghdr* message, int flags) = 0;

  // --- Other descriptors. `writev` never raises SIGPIPE: a broken pipe is -EPIPE alone.
  virtual ssize_t read(int fd, void* data, size_t size) = 0;
  virtual ssize_t writev(int fd, const iovec* pieces, int count) = 0;
  virtual int close(int fd) = 0;
  // fcntl F_GETFL and F_SETFL.
  virtual int get_status_flags(int fd) = 0;
  virtual int set_status_flags(int fd, int flags) = 0;
  // fstat and isatty in one: a DescriptorKind, or a negative errno.
  virtual int descriptor_kind(int fd) = 0;

  // --- epoll.
  virtual int epoll_create() = 0;
  virtual int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) = 0;
  // epoll_pwait2 with a null signal mask; timeout_ns < 0 waits without an end. Where the kernel
  // lacks it (before Linux 5.11) the time-out is rounded up to milliseconds, so that no timer fires
  // early.
  virtual int epoll_wait(int epoll_fd, epoll_event* events, int capacity, int64_t timeout_ns) = 0;

  // --- io_uring: set-up, entering, registering, and the mapping of a ring's memory (mmap of the
  // ring's descriptor).
  virtual int uring_setup(unsigned entries, io_uring_params* parameters) = 0;
  virtual int uring_enter(int ring_fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                          const void* argument, size_t argument_size) = 0;
  virtual int uring_register(int ring_fd, unsigned opcode, void* argument, unsigned count) = 0;
  virtual void* uring_map(int ring_fd, uint64_t offset, size_t size) = 0;  // nullptr at failure
  virtual void uring_unmap(void* memory, size_t size) = 0;

  // --- Wake-ups between threads: an eventfd, non-blocking, close-on-exec.
  virtual int eventfd() = 0;
  virtual int write_eventfd(int fd) noexcept = 0;  // adds 1; async-signal-safe
  virtual int64_t read_eventfd(int fd) = 0;        // the count, which becomes 0; or -EAGAIN

  // --- Signals: an eventfd that counts the arrivals of `signal_number` from now on, in this
  // process. The disposition that was there before comes back when the last descriptor of that
  // signal is closed with `close_signal`.
  virtual int open_signal(int signal_number) = 0;
  virtual int close_signal(int signal_number, int fd) = 0;

  // --- Memory that the kernel will fill: page-aligned, zeroed, private; nullptr at failure.
  // `discard_memory` gives the pages back and keeps the address range, which reads as zeroes again.
  virtual void* map_memory(size_t size) = 0;
  virtual void unmap_memory(void* memory, size_t size) = 0;
  virtual void discard_memory(void* memory, size_t size) = 0;

  // --- Time, in nanoseconds: CLOCK_MONOTONIC and CLOCK_REALTIME. `set_timer_slack` is
  // prctl(PR_SET_TIMERSLACK) for the calling thread.
  virtual int64_t monotonic_ns() = 0;
  virtual int64_t realtime_ns() = 0;
  virtual int set_timer_slack(int64_t slack_ns) = 0;

  // --- The identity of the calling thread and process, by which a call from a wrong one is found
  // out.
  virtual uint64_t thread_id() = 0;
  virtual int process_id() = 0;

  // --- A loop that runs on this kernel, from here to there (core/loop.h).
  virtual void attach(Loop& /*loop*/) {}
  virtual void detach(Loop& /*loop*/) {}
};

}  // namespace eddy
