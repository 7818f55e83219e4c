#include <eddy/core/epoll_faults.h>
#include <eddy/core/fault_pieces_internal.h>
#include <eddy/core/faulty_kernel.h>
#include <errno.h>

#if EDDY_HAS_URING
#include <eddy/core/uring_faults.h>
#endif

namespace eddy {

#if !EDDY_HAS_URING
class UringFaults {};
#endif

FaultyKernel::FaultyKernel(Kernel& inner)
    : inner_(inner), epoll_(std::make_unique<EpollFaults>(inner, plan_)) {}

FaultyKernel::~FaultyKernel() = default;

// --- Sockets

int FaultyKernel::socket(int domain, int type, int protocol) {
  return make(SystemCall::kSocket, -1, [&] { return inner_.socket(domain, type, protocol); });
}

int FaultyKernel::socketpair(int domain, int type, int protocol, int descriptors[2]) {
  return make(SystemCall::kSocketpair, -1,
              [&] { return inner_.socketpair(domain, type, protocol, descriptors); });
}

int FaultyKernel::bind(int fd, const sockaddr* address, socklen_t length) {
  return make(SystemCall::kBind, fd, [&] { return inner_.bind(fd, address, length); });
}

int FaultyKernel::listen(int fd, int backlog) {
  return make(SystemCall::kListen, fd, [&] { return inner_.listen(fd, backlog); });
}

int FaultyKernel::accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  const auto result = instead(SystemCall::kAccept4, fd);
  if (!result) return inner_.accept4(fd, address, length, flags);
  if (*result == -EAGAIN) epoll_->tell_readable(fd);
  return static_cast<int>(*result);
}

int FaultyKernel::connect(int fd, const sockaddr* address, socklen_t length) {
  const auto result = instead(SystemCall::kConnect, fd);
  if (result && *result != -EINTR) return static_cast<int>(*result);
  const int connected = inner_.connect(fd, address, length);
  const bool goes_on = connected == 0 || connected == -EINPROGRESS;
  return result && goes_on ? -EINTR : connected;
}

int FaultyKernel::shutdown(int fd, int how) {
  return make(SystemCall::kShutdown, fd, [&] { return inner_.shutdown(fd, how); });
}

int FaultyKernel::getsockname(int fd, sockaddr* address, socklen_t* length) {
  return make(SystemCall::kGetsockname, fd,
              [&] { return inner_.getsockname(fd, address, length); });
}

int FaultyKernel::getpeername(int fd, sockaddr* address, socklen_t* length) {
  return make(SystemCall::kGetpeername, fd,
              [&] { return inner_.getpeername(fd, address, length); });
}

int FaultyKernel::getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  return make(SystemCall::kGetsockopt, fd,
              [&] { return inner_.getsockopt(fd, level, name, value, length); });
}

int FaultyKernel::setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  return make(SystemCall::kSetsockopt, fd,
              [&] { return inner_.setsockopt(fd, level, name, value, length); });
}

// --- Bytes. What is denied or cut short is told again: an edge-triggered epoll would otherwise say
// no more of bytes that are there, since a short read or write means that there were no more
// (epoll(7), Q9).

template <typename Transfer>
ssize_t FaultyKernel::transfer(SystemCall call, int fd, size_t size, bool reads,
                               Transfer&& transfer_at_most) {
  const auto denied = instead(call, fd, size);
  const size_t most = denied ? 0 : plan_.limit(call, size);
  const auto result = denied ? static_cast<ssize_t>(*denied) : transfer_at_most(most);
  if (result == -EAGAIN ? denied.has_value() : most < size) {
    reads ? epoll_->tell_readable(fd) : epoll_->tell_writable(fd);
  }
  return result;
}

ssize_t FaultyKernel::recv(int fd, void* data, size_t size, int flags) {
  return transfer(SystemCall::kRecv, fd, size, true,
                  [&](size_t most) { return inner_.recv(fd, data, most, flags); });
}

ssize_t FaultyKernel::send(int fd, const void* data, size_t size, int flags) {
  return transfer(SystemCall::kSend, fd, size, false,
                  [&](size_t most) { return inner_.send(fd, data, most, flags); });
}

// Datagrams are truncated by the receiver's size, so they are not cut short here.
ssize_t FaultyKernel::recvmsg(int fd, msghdr* message, int flags) {
  const auto denied = instead(SystemCall::kRecvmsg, fd);
  if (!denied) return inner_.recvmsg(fd, message, flags);
  if (*denied == -EAGAIN) {
    (flags & MSG_ERRQUEUE) != 0 ? epoll_->tell_error(fd) : epoll_->tell_readable(fd);
  }
  return static_cast<ssize_t>(*denied);
}

ssize_t FaultyKernel::sendmsg(int fd, const msghdr* message, int flags) {
  const size_t size = size_of_pieces(message->msg_iov, message->msg_iovlen);
  return transfer(SystemCall::kSendmsg, fd, size, false, [&](size_t most) {
    auto pieces = first_of_pieces(message->msg_iov, message->msg_iovlen, most);
    msghdr first = *message;
    first.msg_iov = pieces.data();
    first.msg_iovlen = pieces.size();
    return inner_.sendmsg(fd, &first, flags);
  });
}

// Cut short in messages.
int FaultyKernel::recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return static_cast<int>(transfer(SystemCall::kRecvmmsg, fd, count, true, [&](size_t most) {
    return inner_.recvmmsg(fd, messages, static_cast<unsigned>(most), flags);
  }));
}

int FaultyKernel::sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return static_cast<int>(transfer(SystemCall::kSendmmsg, fd, count, false, [&](size_t most) {
    return inner_.sendmmsg(fd, messages, static_cast<unsigned>(most), flags);
  }));
}

ssize_t FaultyKernel::read(int fd, void* data, size_t size) {
  return transfer(SystemCall::kRead, fd, size, true,
                  [&](size_t most) { return inner_.read(fd, data, most); });
}

ssize_t FaultyKernel::writev(int fd, const iovec* pieces, int count) {
  const auto number = static_cast<size_t>(count);
  return transfer(SystemCall::kWritev, fd, size_of_pieces(pieces, number), false, [&](size_t most) {
    const auto first = first_of_pieces(pieces, number, most);
    return inner_.writev(fd, first.data(), static_cast<int>(first.size()));
  });
}

// --- Descriptors

int FaultyKernel::close(int fd) {
  const auto result = instead(SystemCall::kClose, fd);
  epoll_->forget(fd);
  rings_.erase(fd);
  const int closed = inner_.close(fd);
  return result ? static_cast<int>(*result) : closed;
}

int FaultyKernel::get_status_flags(int fd) {
  return make(SystemCall::kGetStatusFlags, fd, [&] { return inner_.get_status_flags(fd); });
}

int FaultyKernel::set_status_flags(int fd, int flags) {
  return make(SystemCall::kSetStatusFlags, fd, [&] { return inner_.set_status_flags(fd, flags); });
}

int FaultyKernel::descriptor_kind(int fd) {
  return make(SystemCall::kDescriptorKind, fd, [&] { return inner_.descriptor_kind(fd); });
}

int FaultyKernel::lstat(const char* path, struct stat* status) {
  return make(SystemCall::kLstat, -1, [&] { return inner_.lstat(path, status); });
}

int FaultyKernel::unlink(const char* path) {
  return make(SystemCall::kUnlink, -1, [&] { return inner_.unlink(path); });
}

int FaultyKernel::chmod(const char* path, uint32_t mode) {
  return make(SystemCall::kChmod, -1, [&] { return inner_.chmod(path, mode); });
}

int FaultyKernel::eventfd() {
  return make(SystemCall::kEventfd, -1, [&] { return inner_.eventfd(); });
}

int64_t FaultyKernel::read_eventfd(int fd) {
  return make(SystemCall::kReadEventfd, fd, [&] { return inner_.read_eventfd(fd); });
}

int FaultyKernel::open_signal(int signal_number) {
  return make(SystemCall::kOpenSignal, -1, [&] { return inner_.open_signal(signal_number); });
}

int FaultyKernel::close_signal(int signal_number, int fd) {
  return make(SystemCall::kCloseSignal, fd, [&] {
    epoll_->forget(fd);
    return inner_.close_signal(signal_number, fd);
  });
}

// --- Elsewhere

int FaultyKernel::run_elsewhere(std::move_only_function<bool()> step) {
  return make(SystemCall::kRunElsewhere, -1, [&] { return inner_.run_elsewhere(std::move(step)); });
}

int FaultyKernel::getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                              addrinfo** list, int* error) {
  *error = -EMFILE;
  return make(SystemCall::kGetaddrinfo, -1,
              [&] { return inner_.getaddrinfo(host, service, hints, list, error); });
}

int FaultyKernel::getnameinfo(const sockaddr* address, socklen_t length, char* host,
                              socklen_t host_size, char* service, socklen_t service_size, int flags,
                              int* error) {
  *error = -EMFILE;
  return make(SystemCall::kGetnameinfo, -1, [&] {
    return inner_.getnameinfo(address, length, host, host_size, service, service_size, flags,
                              error);
  });
}

int FaultyKernel::spawn(const SpawnRequest& request, int* process_id) {
  return make(SystemCall::kSpawn, -1, [&] { return inner_.spawn(request, process_id); });
}

int FaultyKernel::wait_for_child(int pidfd, siginfo_t* info, int options) {
  return make(SystemCall::kWaitForChild, pidfd,
              [&] { return inner_.wait_for_child(pidfd, info, options); });
}

int FaultyKernel::send_signal_to_child(int pidfd, int signal_number) {
  return make(SystemCall::kSendSignalToChild, pidfd,
              [&] { return inner_.send_signal_to_child(pidfd, signal_number); });
}

void* FaultyKernel::map_memory(size_t size) {
  return instead(SystemCall::kMapMemory, -1, size) ? nullptr : inner_.map_memory(size);
}

int FaultyKernel::set_timer_slack(int64_t slack_ns) {
  return make(SystemCall::kSetTimerSlack, -1, [&] { return inner_.set_timer_slack(slack_ns); });
}

// --- Threads and CPUs, and descriptors that go further

int FaultyKernel::duplicate(int fd) {
  return make(SystemCall::kDuplicate, fd, [&] { return inner_.duplicate(fd); });
}

int FaultyKernel::set_close_on_exec(int fd, bool on) {
  return make(SystemCall::kSetCloseOnExec, fd, [&] { return inner_.set_close_on_exec(fd, on); });
}

int FaultyKernel::create_thread(pthread_t* thread, void* (*run)(void*), void* argument) {
  return make(SystemCall::kCreateThread, -1,
              [&] { return inner_.create_thread(thread, run, argument); });
}

int FaultyKernel::get_affinity(unsigned long* mask, size_t bytes) {
  return make(SystemCall::kGetAffinity, -1, [&] { return inner_.get_affinity(mask, bytes); });
}

int FaultyKernel::set_affinity(const unsigned long* mask, size_t bytes) {
  return make(SystemCall::kSetAffinity, -1, [&] { return inner_.set_affinity(mask, bytes); });
}

// --- epoll

int FaultyKernel::epoll_create() {
  return make(SystemCall::kEpollCreate, -1, [&] { return inner_.epoll_create(); });
}

int FaultyKernel::epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) {
  if (EpollFaults::adds(operation)) {
    const auto result = instead(SystemCall::kEpollCtl, fd);
    if (result) return static_cast<int>(*result);
  }
  return epoll_->control(epoll_fd, operation, fd, event);
}

int FaultyKernel::epoll_wait(int epoll_fd, epoll_event* events, int capacity, int64_t timeout_ns) {
  return make(SystemCall::kEpollWait, epoll_fd,
              [&] { return epoll_->wait(epoll_fd, events, capacity, timeout_ns); });
}

// --- io_uring

#if EDDY_HAS_URING

int FaultyKernel::uring_setup(unsigned entries, io_uring_params* parameters) {
  if (const auto result = instead(SystemCall::kUringSetup, -1, UringFaults::flags(*parameters))) {
    return static_cast<int>(*result);
  }
  auto ring = UringFaults::set_up(inner_, plan_, entries, *parameters);
  if (!ring) return ring.error();
  const int fd = (*ring)->descriptor();
  rings_[fd] = std::move(*ring);
  return fd;
}

int FaultyKernel::uring_enter(int ring_fd, unsigned to_submit, unsigned min_complete,
                              unsigned flags, const void* argument, size_t argument_size) {
  if (const auto result = instead(SystemCall::kUringEnter, ring_fd, to_submit)) {
    return static_cast<int>(*result);
  }
  const auto ring = rings_.find(ring_fd);
  if (ring == rings_.end()) return -EBADF;
  // A kernel that does not take all does not wait either.
  const auto most = static_cast<unsigned>(plan_.limit(SystemCall::kUringEnter, to_submit));
  return ring->second->enter(most, most < to_submit ? 0 : min_complete, flags, argument,
                             argument_size);
}

int FaultyKernel::uring_register(int ring_fd, unsigned opcode, void* argument, unsigned count) {
  if (const auto result = instead(SystemCall::kUringRegister, ring_fd, opcode)) {
    return static_cast<int>(*result);
  }
  if (UringFaults::hides_ring(opcode)) return -EINVAL;
  return inner_.uring_register(ring_fd, opcode, argument, count);
}

void* FaultyKernel::uring_map(int ring_fd, uint64_t offset, size_t size) {
  const auto ring = rings_.find(ring_fd);
  if (instead(SystemCall::kUringMap, ring_fd, size) || ring == rings_.end()) return nullptr;
  return ring->second->map(offset, size);
}

void FaultyKernel::uring_unmap(void* memory, size_t) {
  for (auto& [fd, ring] : rings_) ring->unmap(memory);
}

#else

int FaultyKernel::uring_setup(unsigned, io_uring_params*) { return -ENOSYS; }
int FaultyKernel::uring_enter(int, unsigned, unsigned, unsigned, const void*, size_t) {
  return -ENOSYS;
}
int FaultyKernel::uring_register(int, unsigned, void*, unsigned) { return -ENOSYS; }
void* FaultyKernel::uring_map(int, uint64_t, size_t) { return nullptr; }
void FaultyKernel::uring_unmap(void*, size_t) {}

#endif

}  // namespace eddy
