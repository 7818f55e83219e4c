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

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <functional>

struct addrinfo;
struct epoll_event;
struct io_uring_params;
struct stat;

namespace eddy {

class Loop;
struct SpawnRequest;  // core/spawn.h

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

  // --- Datagrams in batches, without a time-out: how many went, in order, or what stopped the
  // first. What stops a later one is told by the next call; of sendmmsg(2) it may be lost, where it
  // was an error that the socket had kept (an ICMP answer).
  virtual int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) = 0;
  virtual int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) = 0;

  // --- Other descriptors. `writev` never raises SIGPIPE: a broken pipe is -EPIPE alone.
  virtual ssize_t read(int fd, void* data, size_t size) = 0;
  virtual ssize_t writev(int fd, const iovec* pieces, int count) = 0;
  virtual int close(int fd) = 0;
  // fcntl F_GETFL and F_SETFL.
  virtual int get_status_flags(int fd) = 0;
  virtual int set_status_flags(int fd, int flags) = 0;
  // fstat and isatty in one: a DescriptorKind, or a negative errno.
  virtual int descriptor_kind(int fd) = 0;

  // --- Files, which are read and written where it is said, and may make the caller wait for the
  // disk. `open` adds O_CLOEXEC. `file_size` is fstat(2)'s st_size.
  virtual int open(const char* path, int flags, mode_t mode) = 0;
  virtual ssize_t pread(int fd, void* data, size_t size, int64_t offset) = 0;
  virtual ssize_t pwrite(int fd, const void* data, size_t size, int64_t offset) = 0;
  virtual int fsync(int fd) = 0;
  virtual int64_t file_size(int fd) = 0;

  // --- Bytes that never enter user space. None of these raises SIGPIPE.
  // pipe2(2): the reading end, the writing end. Pass O_CLOEXEC.
  virtual int pipe(int descriptors[2], int flags) = 0;
  // fcntl F_SETPIPE_SZ: the size that it has then, which may be more, or a negative errno.
  virtual int set_pipe_size(int fd, int size) = 0;
  // sendfile(2): `offset` moves on by what was sent. 0 where the file ends.
  virtual ssize_t sendfile(int to, int from, int64_t& offset, size_t size) = 0;
  // splice(2), SPLICE_F_NONBLOCK | SPLICE_F_MOVE: 0 at the end of input. -EAGAIN where there is
  // nothing to move, or no room. The pipe's other end must be open in this process.
  virtual ssize_t splice_to_pipe(int from, int pipe_fd, size_t size) = 0;
  virtual ssize_t splice_from_pipe(int pipe_fd, int to, size_t size) = 0;

  // --- Names in the file system, as Unix sockets have them that are bound to a path (unix(7)).
  // lstat(2) follows no symbolic link at the path's end.
  virtual int lstat(const char* path, struct stat* status) = 0;
  virtual int unlink(const char* path) = 0;
  virtual int chmod(const char* path, uint32_t mode) = 0;

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

  // --- Work that blocks. `step` is called on a thread that is no reactor's, again and again until
  // it returns false, and is destroyed there. Steps rather than one call, so that a simulated
  // kernel can let the time pass that a step has taken before it begins the next. 0, or -EAGAIN if
  // no thread can be had: then `step` is not called.
  virtual int run_elsewhere(std::move_only_function<bool()> step) = 0;

  // --- Names: getaddrinfo(3) and getnameinfo(3), which may block for long and so are for
  // `run_elsewhere`. 0 or an EAI_ value of <netdb.h>; with EAI_SYSTEM, `error` becomes a negative
  // errno. The list goes to `freeaddrinfo`, on any thread.
  virtual int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                          addrinfo** list, int* error) = 0;
  virtual void freeaddrinfo(addrinfo* list) = 0;
  virtual int getnameinfo(const sockaddr* address, socklen_t length, char* host,
                          socklen_t host_size, char* service, socklen_t service_size, int flags,
                          int* error) = 0;

  // --- Child processes. A simulated host has none: -ENOSYS.
  // posix_spawn(3): a pidfd, close-on-exec, and the child's number; or a negative errno, also that
  // of a program that cannot be executed.
  virtual int spawn(const SpawnRequest& request, int* process_id) = 0;
  // waitid(2) of P_PIDFD, WEXITED and `options`: 1 and how the child has ended, which is asked only
  // once; 0 if it runs (WNOHANG).
  virtual int wait_for_child(int pidfd, siginfo_t* info, int options) = 0;
  // pidfd_send_signal(2).
  virtual int send_signal_to_child(int pidfd, int signal_number) = 0;

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

  // --- Chance: getrandom(2) without flags, of at most 256 bytes, which it always gives whole once
  // the system has started. How many, or a negative errno.
  virtual ssize_t getrandom(void* data, size_t size) = 0;

  // --- The identity of the calling thread and process, by which a call from a wrong one is found
  // out.
  virtual uint64_t thread_id() = 0;
  virtual int process_id() = 0;

  // --- Descriptors that go further: fcntl F_DUPFD_CLOEXEC, and F_SETFD with FD_CLOEXEC.
  virtual int duplicate(int fd) = 0;
  virtual int set_close_on_exec(int fd, bool on) = 0;

  // --- Threads and CPUs. pthread_create(3) and pthread_join(3): a kernel whose loops are all
  // driven by one thread, as a simulated one, has no other: -ENOSYS. The affinity is the calling
  // thread's, as the system calls have it (sched_setaffinity(2), "C library/kernel differences"): a
  // bit for each CPU, and `get_affinity` returns how many bytes of the mask the kernel has written.
  virtual int create_thread(pthread_t* thread, void* (*run)(void*), void* argument) = 0;
  virtual int join_thread(pthread_t thread) = 0;
  virtual int get_affinity(unsigned long* mask, size_t bytes) = 0;
  virtual int set_affinity(const unsigned long* mask, size_t bytes) = 0;

  // --- A loop that runs on this kernel, from here to there (core/loop.h).
  virtual void attach(Loop& /*loop*/) {}
  virtual void detach(Loop& /*loop*/) {}
};

}  // namespace eddy
