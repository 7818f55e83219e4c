#include <eddy/core/linux_kernel.h>
#include <eddy/core/linux_sigpipe_internal.h>
#include <eddy/core/linux_spawn_internal.h>
#include <eddy/core/linux_threads_internal.h>
#include <eddy/core/linux_uncancelled_internal.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

namespace eddy {
namespace {

template <typename T>
T checked(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

int64_t read_clock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// The listeners of each signal: what the handler reads, so only lock-free atomics. A slot holds fd
// + 1, 0 is free.
class SignalTable {
 public:
  int add(int signal_number) {
    if (signal_number < 1 || signal_number >= NSIG) return -EINVAL;
    const std::lock_guard lock(mutex_);
    Row& row = rows_[signal_number];
    for (auto& slot : row.slots) {
      if (slot.load(std::memory_order_relaxed) != 0) continue;
      const int fd = checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      if (fd < 0) return fd;
      slot.store(fd + 1);
      if (const int failed = row.listeners == 0 ? install(signal_number) : 0; failed != 0) {
        slot.store(0);
        ::close(fd);
        return failed;
      }
      ++row.listeners;
      return fd;
    }
    return -ENOSPC;
  }

  int remove(int signal_number, int fd) {
    if (signal_number < 1 || signal_number >= NSIG) return -EINVAL;
    const std::lock_guard lock(mutex_);
    Row& row = rows_[signal_number];
    for (auto& slot : row.slots) {
      if (slot.load(std::memory_order_relaxed) != fd + 1) continue;
      if (--row.listeners == 0) sigaction(signal_number, &row.previous, nullptr);
      slot.store(0);
      // A handler in another thread may have read the slot before: the number must stay ours until
      // it has written.
      while (row.handlers.load() != 0) sched_yield();
      return checked(::close(fd));
    }
    return -EBADF;
  }

 private:
  static constexpr int kListenersPerSignal = 64;
  struct Row {
    std::atomic<int> slots[kListenersPerSignal] = {};
    std::atomic<int> handlers = 0;  // that are running
    int listeners = 0;
    struct sigaction previous = {};
  };

  int install(int signal_number) {
    struct sigaction action = {};
    action.sa_handler = &SignalTable::deliver;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    return checked(sigaction(signal_number, &action, &rows_[signal_number].previous));
  }

  static void deliver(int signal_number) {
    const int saved = errno;
    Row& row = rows_[signal_number];
    row.handlers.fetch_add(1);
    for (auto& slot : row.slots) {
      if (const int fd = slot.load() - 1; fd >= 0) linux_kernel().write_eventfd(fd);
    }
    row.handlers.fetch_sub(1);
    errno = saved;
  }

  static Row rows_[NSIG];
  std::mutex mutex_;
};

SignalTable::Row SignalTable::rows_[NSIG];

class LinuxKernel final : public Kernel {
 public:
  int socket(int domain, int type, int protocol) override {
    return checked(::socket(domain, type, protocol));
  }
  int socketpair(int domain, int type, int protocol, int descriptors[2]) override {
    return checked(::socketpair(domain, type, protocol, descriptors));
  }
  int bind(int fd, const sockaddr* address, socklen_t length) override {
    return checked(::bind(fd, address, length));
  }
  int listen(int fd, int backlog) override { return checked(::listen(fd, backlog)); }
  int accept4(int fd, sockaddr* address, socklen_t* length, int flags) override {
    return checked(::accept4(fd, address, length, flags));
  }
  int connect(int fd, const sockaddr* address, socklen_t length) override {
    return checked(::connect(fd, address, length));
  }
  int shutdown(int fd, int how) override { return checked(::shutdown(fd, how)); }
  int getsockname(int fd, sockaddr* address, socklen_t* length) override {
    return checked(::getsockname(fd, address, length));
  }
  int getpeername(int fd, sockaddr* address, socklen_t* length) override {
    return checked(::getpeername(fd, address, length));
  }
  int getsockopt(int fd, int level, int name, void* value, socklen_t* length) override {
    return checked(::getsockopt(fd, level, name, value, length));
  }
  int setsockopt(int fd, int level, int name, const void* value, socklen_t length) override {
    return checked(::setsockopt(fd, level, name, value, length));
  }
  ssize_t recv(int fd, void* data, size_t size, int flags) override {
    return checked(uncancelled_recv(fd, data, size, flags));
  }
  ssize_t send(int fd, const void* data, size_t size, int flags) override {
    return checked(uncancelled_send(fd, data, size, flags));
  }
  ssize_t recvmsg(int fd, msghdr* message, int flags) override {
    return checked(::recvmsg(fd, message, flags));
  }
  ssize_t sendmsg(int fd, const msghdr* message, int flags) override {
    return checked(::sendmsg(fd, message, flags));
  }

  int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) override {
    return checked(::recvmmsg(fd, messages, count, flags, nullptr));
  }
  int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) override {
    return checked(::sendmmsg(fd, messages, count, flags));
  }

  ssize_t read(int fd, void* data, size_t size) override { return checked(::read(fd, data, size)); }
  ssize_t writev(int fd, const iovec* pieces, int count) override {
    return without_sigpipe([&] { return checked(::writev(fd, pieces, count)); });
  }
  int close(int fd) override { return checked(::close(fd)); }
  int get_status_flags(int fd) override { return checked(::fcntl(fd, F_GETFL)); }
  int set_status_flags(int fd, int flags) override { return checked(::fcntl(fd, F_SETFL, flags)); }
  int descriptor_kind(int fd) override {
    struct stat status;
    if (::fstat(fd, &status) < 0) return -errno;
    if (S_ISSOCK(status.st_mode)) return static_cast<int>(DescriptorKind::kSocket);
    if (S_ISFIFO(status.st_mode)) return static_cast<int>(DescriptorKind::kPipe);
    if (S_ISREG(status.st_mode)) return static_cast<int>(DescriptorKind::kRegularFile);
    if (S_ISCHR(status.st_mode) && ::isatty(fd) == 1) {
      return static_cast<int>(DescriptorKind::kTerminal);
    }
    return static_cast<int>(DescriptorKind::kOther);
  }

  int open(const char* path, int flags, mode_t mode) override {
    return checked(::open(path, flags | O_CLOEXEC, mode));
  }
  ssize_t pread(int fd, void* data, size_t size, int64_t offset) override {
    return checked(::pread(fd, data, size, offset));
  }
  ssize_t pwrite(int fd, const void* data, size_t size, int64_t offset) override {
    return checked(::pwrite(fd, data, size, offset));
  }
  int fsync(int fd) override { return checked(::fsync(fd)); }
  int64_t file_size(int fd) override {
    struct stat status;
    return ::fstat(fd, &status) < 0 ? -errno : status.st_size;
  }

  int pipe(int descriptors[2], int flags) override { return checked(::pipe2(descriptors, flags)); }
  int set_pipe_size(int fd, int size) override { return checked(::fcntl(fd, F_SETPIPE_SZ, size)); }
  ssize_t sendfile(int to, int from, int64_t& offset, size_t size) override {
    return without_sigpipe([&] { return checked(::sendfile(to, from, &offset, size)); });
  }
  // Its reader is there, so nothing is raised.
  ssize_t splice_to_pipe(int from, int pipe_fd, size_t size) override {
    return checked(
        ::splice(from, nullptr, pipe_fd, nullptr, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE));
  }
  ssize_t splice_from_pipe(int pipe_fd, int to, size_t size) override {
    return without_sigpipe([&] {
      return checked(
          ::splice(pipe_fd, nullptr, to, nullptr, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE));
    });
  }

  int lstat(const char* path, struct stat* status) override {
    return checked(::lstat(path, status));
  }
  int unlink(const char* path) override { return checked(::unlink(path)); }
  int chmod(const char* path, uint32_t mode) override { return checked(::chmod(path, mode)); }

  int epoll_create() override { return checked(::epoll_create1(EPOLL_CLOEXEC)); }
  int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) override {
    return checked(::epoll_ctl(epoll_fd, operation, fd, event));
  }
  int epoll_wait(int epoll_fd, epoll_event* events, int capacity, int64_t timeout_ns) override {
    const timespec timeout = {timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
    // The raw call: glibc before 2.35 has no epoll_pwait2.
    const int result = static_cast<int>(syscall(SYS_epoll_pwait2, epoll_fd, events, capacity,
                                                timeout_ns < 0 ? nullptr : &timeout, nullptr, 0));
    if (result >= 0 || errno != ENOSYS) return checked(result);
    constexpr int64_t kMaxMs = 24 * 3600 * 1000;
    const int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + 999'999) / 1'000'000;
    return checked(
        ::epoll_wait(epoll_fd, events, capacity, static_cast<int>(ms > kMaxMs ? kMaxMs : ms)));
  }

  int uring_setup(unsigned entries, io_uring_params* parameters) override {
    return checked(static_cast<int>(syscall(SYS_io_uring_setup, entries, parameters)));
  }
  int uring_enter(int ring_fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                  const void* argument, size_t argument_size) override {
    return checked(static_cast<int>(syscall(SYS_io_uring_enter, ring_fd, to_submit, min_complete,
                                            flags, argument, argument_size)));
  }
  int uring_register(int ring_fd, unsigned opcode, void* argument, unsigned count) override {
    return checked(
        static_cast<int>(syscall(SYS_io_uring_register, ring_fd, opcode, argument, count)));
  }
  void* uring_map(int ring_fd, uint64_t offset, size_t size) override {
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring_fd,
                          static_cast<off_t>(offset));
    return memory == MAP_FAILED ? nullptr : memory;
  }
  void uring_unmap(void* memory, size_t size) override { ::munmap(memory, size); }

  int eventfd() override { return checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
  int write_eventfd(int fd) noexcept override {
    const uint64_t one = 1;
    return ::write(fd, &one, sizeof one) == sizeof one ? 0 : -errno;
  }
  int64_t read_eventfd(int fd) override {
    uint64_t count = 0;
    return ::read(fd, &count, sizeof count) == sizeof count ? static_cast<int64_t>(count) : -errno;
  }

  int open_signal(int signal_number) override { return signals_.add(signal_number); }
  int close_signal(int signal_number, int fd) override {
    return signals_.remove(signal_number, fd);
  }

  int run_elsewhere(std::move_only_function<bool()> step) override {
    return LinuxThreads::of_this_process().run(std::move(step));
  }

  int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** list,
                  int* error) override {
    const int result = ::getaddrinfo(host, service, hints, list);
    *error = -errno;
    return result;
  }
  void freeaddrinfo(addrinfo* list) override { ::freeaddrinfo(list); }
  int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_size,
                  char* service, socklen_t service_size, int flags, int* error) override {
    const int result =
        ::getnameinfo(address, length, host, host_size, service, service_size, flags);
    *error = -errno;
    return result;
  }

  int spawn(const SpawnRequest& request, int* process_id) override {
    return spawn_on_linux(request, process_id);
  }
  int wait_for_child(int pidfd, siginfo_t* info, int options) override {
    info->si_pid = 0;
    const int failed =
        checked(::waitid(P_PIDFD, static_cast<id_t>(pidfd), info, WEXITED | options));
    return failed < 0 ? failed : (info->si_pid != 0 ? 1 : 0);
  }
  int send_signal_to_child(int pidfd, int signal_number) override {
    return checked(
        static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, 0)));
  }

  void* map_memory(size_t size) override {
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
  }
  void unmap_memory(void* memory, size_t size) override { ::munmap(memory, size); }
  void discard_memory(void* memory, size_t size) override {
    ::madvise(memory, size, MADV_DONTNEED);
  }

  int64_t monotonic_ns() override { return read_clock(CLOCK_MONOTONIC); }
  int64_t realtime_ns() override { return read_clock(CLOCK_REALTIME); }
  int set_timer_slack(int64_t slack_ns) override {
    return checked(::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack_ns), 0, 0, 0));
  }

  ssize_t getrandom(void* data, size_t size) override {
    return checked(::getrandom(data, size, 0));
  }

  uint64_t thread_id() override { return static_cast<uint64_t>(pthread_self()); }
  // Asked every turn, and getpid(2) is a system call each time: remembered until a fork.
  int process_id() override {
    static std::atomic<int> process = 0;
    static const bool remembers = pthread_atfork(nullptr, nullptr, [] { process.store(0); }) == 0;
    if (const int known = process.load(std::memory_order_relaxed); known != 0) return known;
    const int id = ::getpid();
    if (remembers) process.store(id, std::memory_order_relaxed);
    return id;
  }

  int duplicate(int fd) override { return checked(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }
  int set_close_on_exec(int fd, bool on) override {
    return checked(::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0));
  }
  int create_thread(pthread_t* thread, void* (*run)(void*), void* argument) override {
    return -::pthread_create(thread, nullptr, run, argument);
  }
  int join_thread(pthread_t thread) override { return -::pthread_join(thread, nullptr); }
  int get_affinity(unsigned long* mask, size_t bytes) override {
    return checked(static_cast<int>(syscall(SYS_sched_getaffinity, 0, bytes, mask)));
  }
  int set_affinity(const unsigned long* mask, size_t bytes) override {
    return checked(static_cast<int>(syscall(SYS_sched_setaffinity, 0, bytes, mask)));
  }

 private:
  SignalTable signals_;
};

}  // namespace

Kernel& linux_kernel() {
  static LinuxKernel kernel;
  return kernel;
}

}  // namespace eddy
