// A kernel that fails: makes another Kernel's calls and completions fail, come short, come late and
// come out of order.
//
// What it is: a decorator for tests, of eddy and of what is built on it. It forwards everything,
// except for what its FaultPlan says (core/fault_plan.h). Reactors run on it unchanged:
//
//   FaultyKernel kernel(linux_kernel());
//   kernel.plan().fail(SystemCall::kUringSetup, EPERM, {.times = kAlways});   // as in a container
//   Reactor reactor(kernel);                                                  // has epoll, and
//   tells why
//
// io_uring is reached through memory, so a ring made by this kernel is a shadow: the reactor writes
// submissions to and reads completions from memory of the decorator's, and uring_enter carries them
// to and from the real ring. It wants what core/uring_queue.h sets up: one mapping for both queues,
// no polling thread, and a user_data for each operation that differs from those of the others in
// flight, and from UINT64_MAX. Linked submissions are not told apart, and ring descriptors cannot
// be registered (IORING_REGISTER_RING_FDS), as before Linux 5.18. Completions that are held back do
// not make the ring's descriptor readable.
//
// Clocks: `advance` moves both clocks on, as a process that was stopped for so long sees it, and
// `jump` sets CLOCK_REALTIME alone, forward or back. Nothing sleeps.
//
// Ownership: the other Kernel outlives this one, and this one its reactors.
// Threads: one at a time, all reactors on it included; but write_eventfd is passed on from
// anywhere, and what blocks (names) is called by threads of run_elsewhere. What cannot fail
// (clocks, identities, unmapping) is neither counted nor failed.
#pragma once

#include <eddy/core/fault_plan.h>
#include <eddy/core/kernel.h>

#include <chrono>
#include <map>
#include <memory>

namespace eddy {

class EpollFaults;
class UringFaults;

class FaultyKernel final : public Kernel {
 public:
  explicit FaultyKernel(Kernel& inner);
  ~FaultyKernel() override;
  FaultyKernel(const FaultyKernel&) = delete;
  FaultyKernel& operator=(const FaultyKernel&) = delete;

  FaultPlan& plan() { return plan_; }
  void advance(std::chrono::nanoseconds by) { monotonic_offset_ns_ += by.count(); }
  void jump(std::chrono::nanoseconds by) { realtime_offset_ns_ += by.count(); }

  int socket(int domain, int type, int protocol) override;
  int socketpair(int domain, int type, int protocol, int descriptors[2]) override;
  int bind(int fd, const sockaddr* address, socklen_t length) override;
  int listen(int fd, int backlog) override;
  int accept4(int fd, sockaddr* address, socklen_t* length, int flags) override;
  int connect(int fd, const sockaddr* address, socklen_t length) override;
  int shutdown(int fd, int how) override;
  int getsockname(int fd, sockaddr* address, socklen_t* length) override;
  int getpeername(int fd, sockaddr* address, socklen_t* length) override;
  int getsockopt(int fd, int level, int name, void* value, socklen_t* length) override;
  int setsockopt(int fd, int level, int name, const void* value, socklen_t length) override;
  ssize_t recv(int fd, void* data, size_t size, int flags) override;
  ssize_t send(int fd, const void* data, size_t size, int flags) override;
  ssize_t recvmsg(int fd, msghdr* message, int flags) override;
  ssize_t sendmsg(int fd, const msghdr* message, int flags) override;
  int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) override;
  int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) override;
  ssize_t read(int fd, void* data, size_t size) override;
  ssize_t writev(int fd, const iovec* pieces, int count) override;
  int close(int fd) override;
  int get_status_flags(int fd) override;
  int set_status_flags(int fd, int flags) override;
  int descriptor_kind(int fd) override;
  int open(const char* path, int flags, mode_t mode) override;
  ssize_t pread(int fd, void* data, size_t size, int64_t offset) override;
  ssize_t pwrite(int fd, const void* data, size_t size, int64_t offset) override;
  int fsync(int fd) override;
  int64_t file_size(int fd) override;
  int pipe(int descriptors[2], int flags) override;
  int set_pipe_size(int fd, int size) override;
  ssize_t sendfile(int to, int from, int64_t& offset, size_t size) override;
  ssize_t splice_to_pipe(int from, int pipe_fd, size_t size) override;
  ssize_t splice_from_pipe(int pipe_fd, int to, size_t size) override;
  int lstat(const char* path, struct stat* status) override;
  int unlink(const char* path) override;
  int chmod(const char* path, uint32_t mode) override;
  int epoll_create() override;
  int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) override;
  int epoll_wait(int epoll_fd, epoll_event* events, int capacity, int64_t timeout_ns) override;
  int uring_setup(unsigned entries, io_uring_params* parameters) override;
  int uring_enter(int ring_fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                  const void* argument, size_t argument_size) override;
  int uring_register(int ring_fd, unsigned opcode, void* argument, unsigned count) override;
  void* uring_map(int ring_fd, uint64_t offset, size_t size) override;
  void uring_unmap(void* memory, size_t size) override;
  int eventfd() override;
  int write_eventfd(int fd) noexcept override { return inner_.write_eventfd(fd); }
  int64_t read_eventfd(int fd) override;
  int open_signal(int signal_number) override;
  int close_signal(int signal_number, int fd) override;
  int run_elsewhere(std::move_only_function<bool()> step) override;
  int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** list,
                  int* error) override;
  void freeaddrinfo(addrinfo* list) override { inner_.freeaddrinfo(list); }
  int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_size,
                  char* service, socklen_t service_size, int flags, int* error) override;
  int spawn(const SpawnRequest& request, int* process_id) override;
  int wait_for_child(int pidfd, siginfo_t* info, int options) override;
  int send_signal_to_child(int pidfd, int signal_number) override;
  void* map_memory(size_t size) override;
  void unmap_memory(void* memory, size_t size) override { inner_.unmap_memory(memory, size); }
  void discard_memory(void* memory, size_t size) override { inner_.discard_memory(memory, size); }
  int64_t monotonic_ns() override { return inner_.monotonic_ns() + monotonic_offset_ns_; }
  int64_t realtime_ns() override {
    return inner_.realtime_ns() + monotonic_offset_ns_ + realtime_offset_ns_;
  }
  int set_timer_slack(int64_t slack_ns) override;
  ssize_t getrandom(void* data, size_t size) override { return inner_.getrandom(data, size); }
  uint64_t thread_id() override { return inner_.thread_id(); }
  int process_id() override { return inner_.process_id(); }
  int duplicate(int fd) override;
  int set_close_on_exec(int fd, bool on) override;
  int create_thread(pthread_t* thread, void* (*run)(void*), void* argument) override;
  int join_thread(pthread_t thread) override { return inner_.join_thread(thread); }
  int get_affinity(unsigned long* mask, size_t bytes) override;
  int set_affinity(const unsigned long* mask, size_t bytes) override;
  void attach(Loop& loop) override { inner_.attach(loop); }
  void detach(Loop& loop) override { inner_.detach(loop); }

 private:
  // The plan's result in the place of the call.
  std::optional<int64_t> instead(SystemCall call, int fd = -1, uint64_t argument = 0) {
    return plan_.verdict({call, fd, argument});
  }
  // The call, or what the plan says in its place.
  template <typename Make>
  auto make(SystemCall call, int fd, Make&& make_call) -> decltype(make_call()) {
    if (const auto result = instead(call, fd)) return static_cast<decltype(make_call())>(*result);
    return make_call();
  }
  template <typename Transfer>
  ssize_t transfer(SystemCall call, int fd, size_t size, bool reads, Transfer&& transfer_at_most);
  // Between a descriptor that is read, or -1, and one that is written, or -1.
  template <typename Move>
  ssize_t move(SystemCall call, int from, int to, size_t size, Move&& move_at_most);

  Kernel& inner_;
  FaultPlan plan_;
  std::unique_ptr<EpollFaults> epoll_;
  std::map<int, std::unique_ptr<UringFaults>> rings_;  // by their descriptor
  int64_t monotonic_offset_ns_ = 0;
  int64_t realtime_offset_ns_ = 0;
};

}  // namespace eddy
