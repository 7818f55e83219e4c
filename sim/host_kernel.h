// The kernel of one simulated host: the system calls of core/kernel.h over the world's model.
//
// What it is: a descriptor table, and each call of the seam looked up in it. What the files do is
// theirs (sim/tcp_socket.h, sim/local_socket.h, sim/epoll.h, sim/uring.h, …); what can go wrong
// with any call is here. A blocking descriptor's calls drive the world until they may return, as
// do epoll_wait and uring_enter with a time-out.
#pragma once

#include <eddy/core/kernel.h>
#include <eddy/sim/local_names.h>
#include <eddy/sim/name_server.h>
#include <eddy/sim/network.h>
#include <eddy/sim/regular_file.h>
#include <eddy/sim/simulation.h>
#include <eddy/sim/uring_limits.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace eddy::sim {

class Uring;

class HostKernel final : public Kernel {
 public:
  static constexpr unsigned long kCpus = 0b11;  // that a host has
  // `number` counts the world's hosts.
  HostKernel(Simulation& simulation, int number, std::string name, const Name& address);
  ~HostKernel() override;

  Simulation& simulation() { return simulation_; }
  int number() const { return number_; }
  const std::string& name() const { return name_; }
  const Name& address() const { return address_; }

  // --- Descriptors
  FileRef file(int fd) const;  // null: not open
  template <typename Kind>
  std::shared_ptr<Kind> file_as(int fd) const {  // null: not open, or of another kind
    return std::dynamic_pointer_cast<Kind>(file(fd));
  }
  // The lowest free number, or -EMFILE.
  int install(FileRef file);
  int open_descriptors() const { return open_; }
  int descriptor_limit = 1024;
  uint32_t user = 0;  // effective
  UringLimits uring_limits;
  std::array<Uring*, 16> registered_rings = {};  // IORING_REGISTER_RING_FDS, of its one thread
  // What TCP sockets begin with, as getsockopt(2) shows it; 0 is Linux's own.
  int send_buffer_bytes = 0;
  int receive_buffer_bytes = 0;

  LocalNames local_names;  // of Unix sockets; outlives the descriptors
  FileSystem files;

  // --- What a world does to a host
  // As a signal's handler would: each open_signal of that number counts one more.
  void raise(int signal_number);
  // Every connection of a descriptor: both sides see a reset.
  int reset(int fd);
  // The process dies: every descriptor is closed.
  void kill();
  bool has_died() const { return has_died_; }
  int process() const { return process_; }  // a number for the one that runs now
  void restart() { has_died_ = false; }     // another process, which has nothing open
  // Memory that a process has mapped stays while it may look at it, whatever was closed.
  void keep_mapped(std::shared_ptr<void> memory) { mapped_.push_back(std::move(memory)); }

  // --- The seam
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
  int write_eventfd(int fd) noexcept override;
  int64_t read_eventfd(int fd) override;
  int open_signal(int signal_number) override;
  int close_signal(int signal_number, int fd) override;
  void* map_memory(size_t size) override;
  void unmap_memory(void* memory, size_t size) override;
  void discard_memory(void* memory, size_t size) override;
  int64_t monotonic_ns() override { return simulation_.now_ns(); }
  int64_t realtime_ns() override { return simulation_.wall_ns(); }
  int set_timer_slack(int64_t /*slack_ns*/) override { return 0; }
  ssize_t getrandom(void* data, size_t size) override;
  uint64_t thread_id() override {
    constexpr uint64_t kElsewhere = uint64_t{1} << 32;
    return static_cast<uint64_t>(number_) + 1 + (is_elsewhere_ ? kElsewhere : 0);
  }
  int process_id() override { return number_ + 1; }
  int duplicate(int fd) override;
  int set_close_on_exec(int fd, bool /*on*/) override { return file(fd) == nullptr ? -EBADF : 0; }
  int create_thread(pthread_t*, void* (*)(void*), void*) override { return -ENOSYS; }
  int join_thread(pthread_t /*thread*/) override { return -ENOSYS; }
  int get_affinity(unsigned long* mask, size_t bytes) override;
  int set_affinity(const unsigned long* mask, size_t bytes) override;
  void attach(Loop& loop) override { simulation_.attach(*this, loop); }
  void detach(Loop& loop) override { simulation_.detach(loop); }

  int run_elsewhere(std::move_only_function<bool()> step) override;
  int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** list,
                  int* error) override;
  void freeaddrinfo(addrinfo* list) override;
  int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_size,
                  char* service, socklen_t service_size, int flags, int* error) override;

  int spawn(const SpawnRequest& /*request*/, int* /*process_id*/) override { return -ENOSYS; }
  int wait_for_child(int /*pidfd*/, siginfo_t* /*info*/, int /*options*/) override {
    return -ENOSYS;
  }
  int send_signal_to_child(int /*pidfd*/, int /*signal_number*/) override { return -ENOSYS; }

  // A call that blocks takes so long. Of work elsewhere, what comes after this step is later by so
  // much; else the world is driven meanwhile.
  void spend(int64_t time_ns);

  // What io_uring's operations share with the system calls.
  // accept4 without blocking: the new descriptor, or a negative errno.
  int accept_from(Socket& listener, int flags);
  int close_descriptor(int fd);

 private:
  // The socket of a descriptor, or null with `error` (-EBADF, -ENOTSOCK).
  std::shared_ptr<Socket> find_socket(int fd, int& error) const;
  int install_with(FileRef file, int flags);
  // The regular file of a descriptor, or null with `error`: -EBADF, or `otherwise` of any other.
  std::shared_ptr<RegularFile> find_regular(int fd, int otherwise, int& error) const;
  ssize_t splice(int from, int to, size_t size, ssize_t (*move)(File&, File&, size_t));
  // Repeats `attempt` until it is not -EAGAIN, if the file blocks.
  template <typename Attempt>
  ssize_t blocking(const File& file, bool may_block, Attempt&& attempt) {
    ssize_t result = attempt();
    if (result != -EAGAIN || !may_block || !file.blocks()) return result;
    const auto waited = simulation_.wait(Simulation::kNever, [&] {
      result = attempt();
      return result != -EAGAIN;
    });
    return waited == Simulation::Waited::kDeadlocked ? -EDEADLK : result;
  }
  template <typename Send>
  ssize_t blocking_send(const File& file, const iovec* pieces, size_t count, bool may_block,
                        Send&& send);
  void enter_call() { simulation_.settle(); }
  // 0 or an EAI_ value; takes its time.
  int look_up(const std::string& name, NameServer::Entry& entry);
  void go_on_elsewhere(int process, std::move_only_function<bool()> step, int64_t delay_ns);
  void run_step(int process, std::move_only_function<bool()> step);

  Simulation& simulation_;
  const int number_;
  const std::string name_;
  const Name address_;
  std::vector<FileRef> files_;
  int open_ = 0;
  bool has_died_ = false;
  int process_ = 0;            // counts those that have died
  bool is_elsewhere_ = false;  // a step of run_elsewhere is under way
  int64_t spent_ns_ = 0;       // by that step
  std::vector<std::shared_ptr<void>> mapped_;
  std::multimap<int, int> signals_;  // number, descriptor
  std::map<void*, size_t> memory_;
  unsigned long cpus_ = kCpus;  // of its thread
};

}  // namespace eddy::sim
