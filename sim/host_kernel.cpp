#include <eddy/sim/datagram_socket.h>
#include <eddy/sim/epoll.h>
#include <eddy/sim/event_counter.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/local_socket.h>
#include <eddy/sim/pipe.h>
#include <eddy/sim/tcp_socket.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#if EDDY_HAS_URING
#include <eddy/sim/uring.h>
#endif

namespace eddy::sim {
namespace {

constexpr int kOutOfDescriptors[] = {-EMFILE, -ENFILE};
constexpr int kOutOfMemory[] = {-ENOMEM, -ENOBUFS};
constexpr int kAcceptExhausted[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM};
constexpr int kAcceptAborted[] = {-ECONNABORTED, -EPROTO, -EPERM, -ENETDOWN, -EHOSTUNREACH};

template <typename T>
std::shared_ptr<T> as(const FileRef& file) {
  return std::dynamic_pointer_cast<T>(file);
}

}  // namespace

HostKernel::HostKernel(Simulation& simulation, int number, std::string name, const Name& address)
    : simulation_(simulation), number_(number), name_(std::move(name)), address_(address) {
  for (FileRef& standard : files_) standard = nullptr;
  files_.resize(3);  // 0, 1 and 2 are another's
}

HostKernel::~HostKernel() {
  for (FileRef& file : files_) std::exchange(file, nullptr);
  for (const auto& [memory, size] : memory_) ::munmap(memory, size);
}

// --- Descriptors

FileRef HostKernel::file(int fd) const {
  return fd < 0 || static_cast<size_t>(fd) >= files_.size() ? nullptr
                                                            : files_[static_cast<size_t>(fd)];
}

int HostKernel::install(FileRef file) {
  size_t fd = 3;
  while (fd < files_.size() && files_[fd] != nullptr) ++fd;
  if (fd >= static_cast<size_t>(descriptor_limit)) {
    simulation_.faults.count(Fault::kNoDescriptors);
    return -EMFILE;
  }
  if (fd == files_.size()) files_.emplace_back();
  files_[fd] = std::move(file);
  ++open_;
  return static_cast<int>(fd);
}

int HostKernel::install_with(FileRef file, int flags) {
  if ((flags & SOCK_NONBLOCK) != 0) file->status_flags |= O_NONBLOCK;
  return install(std::move(file));
}

int HostKernel::duplicate(int fd) {
  FileRef same = file(fd);
  return same == nullptr ? -EBADF : install(std::move(same));
}

int HostKernel::close_descriptor(int fd) {
  if (file(fd) == nullptr) return -EBADF;
  --open_;
  // Out of the table first: the end of the file may look at it.
  const FileRef closed = std::exchange(files_[static_cast<size_t>(fd)], nullptr);
  return 0;
}

std::shared_ptr<Socket> HostKernel::find_socket(int fd, int& error) const {
  const FileRef found = file(fd);
  error = found == nullptr ? -EBADF : found->socket() == nullptr ? -ENOTSOCK : 0;
  return error != 0 ? nullptr : std::shared_ptr<Socket>(found, found->socket());
}

template <typename Attempt>
ssize_t HostKernel::blocking(const File& file, bool may_block, Attempt&& attempt) {
  ssize_t result = attempt();
  if (result != -EAGAIN || !may_block || !file.blocks()) return result;
  const auto waited = simulation_.wait(Simulation::kNever, [&] {
    result = attempt();
    return result != -EAGAIN;
  });
  return waited == Simulation::Waited::kDeadlocked ? -EDEADLK : result;
}

// Where a descriptor blocks, until all has gone: send(2).
template <typename Send>
ssize_t HostKernel::blocking_send(const File& file, const iovec* pieces, size_t count,
                                  bool may_block, Send&& send) {
  if (!may_block || !file.blocks()) return send(pieces, count);
  std::vector<iovec> left(pieces, pieces + count);
  const size_t size = size_of(pieces, count);
  size_t sent = 0;
  for (;;) {
    const ssize_t result = blocking(file, true, [&] { return send(left.data(), left.size()); });
    if (result < 0) return sent != 0 ? static_cast<ssize_t>(sent) : result;
    sent += static_cast<size_t>(result);
    if (sent >= size) return static_cast<ssize_t>(sent);
    auto gone = static_cast<size_t>(result);
    for (iovec& piece : left) {
      const size_t part = std::min(gone, piece.iov_len);
      piece = {static_cast<char*>(piece.iov_base) + part, piece.iov_len - part};
      gone -= part;
    }
  }
}

// --- What a world does to a host

void HostKernel::raise(int signal_number) {
  const auto [begin, end] = signals_.equal_range(signal_number);
  for (auto at = begin; at != end; ++at) write_eventfd(at->second);
}

int HostKernel::reset(int fd) {
  const auto socket = as<TcpSocket>(file(fd));
  if (socket == nullptr || socket->connection() == nullptr) return -ENOTCONN;
  socket->connection()->break_off();
  return 0;
}

void HostKernel::kill() {
  simulation_.note(*this, "kill", {});
  simulation_.stall(*this, Simulation::kNever - 1);
  has_died_ = true;
  for (FileRef& file : files_) std::exchange(file, nullptr);
  open_ = 0;
}

// --- Sockets

int HostKernel::socket(int domain, int type, int protocol) {
  enter_call();
  if (simulation_.strikes(Fault::kNoDescriptors, *this)) {
    return simulation_.tape.any_of<int>(kOutOfDescriptors);
  }
  if (simulation_.strikes(Fault::kNoMemory, *this))
    return simulation_.tape.any_of<int>(kOutOfMemory);
  const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  const auto family = static_cast<sa_family_t>(domain);
  if (kind > SOCK_PACKET) return -EINVAL;
  FileRef made;
  if (domain == AF_UNIX) {
    made = make_local_socket(simulation_, *this, kind);
    if (made == nullptr) return -ESOCKTNOSUPPORT;
  } else if (domain != AF_INET && domain != AF_INET6) {
    return -EAFNOSUPPORT;
  } else if (kind == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) {
    made = std::make_shared<TcpSocket>(*this, family);
  } else if (kind == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP)) {
    made = make_datagram_socket(simulation_, *this, domain);
  } else {
    return -EPROTONOSUPPORT;
  }
  return install_with(std::move(made), type);
}

int HostKernel::socketpair(int domain, int type, int /*protocol*/, int descriptors[2]) {
  enter_call();
  if (domain != AF_UNIX) return -EOPNOTSUPP;
  int error = 0;
  auto [first, second] =
      make_socket_pair(simulation_, *this, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), error);
  if (error != 0) return error;
  const int one = install_with(std::move(first), type);
  if (one < 0) return one;
  const int two = install_with(std::move(second), type);
  if (two < 0) {
    close_descriptor(one);
    return two;
  }
  descriptors[0] = one;
  descriptors[1] = two;
  return 0;
}

int HostKernel::bind(int fd, const sockaddr* address, socklen_t length) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->bind(address, length);
}

int HostKernel::listen(int fd, int backlog) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->listen(backlog);
}

int HostKernel::accept_from(Socket& listener, int flags) {
  int error = 0;
  const bool someone_waits = (listener.readiness() & POLLIN) != 0;
  if (someone_waits && simulation_.strikes(Fault::kAcceptExhausted, *this)) {
    return simulation_.tape.any_of<int>(kAcceptExhausted);
  }
  if (someone_waits && open_ + 3 >= descriptor_limit) {
    simulation_.faults.count(Fault::kNoDescriptors);
    return -EMFILE;
  }
  FileRef accepted = listener.accept(error);
  if (accepted == nullptr) return error;
  if (simulation_.strikes(Fault::kAcceptAborted, *this)) {
    // accept(2): the connection was broken before anybody took it.
    if (const auto tcp = as<TcpSocket>(accepted)) tcp->connection()->break_off();
    return simulation_.tape.any_of<int>(kAcceptAborted);
  }
  const int fd = install_with(std::move(accepted), flags);
  simulation_.note(*this, "accept", {fd});
  return fd;
}

int HostKernel::accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const auto result =
      static_cast<int>(blocking(*socket, true, [&] { return accept_from(*socket, flags); }));
  if (result >= 0 && address != nullptr) {
    *length = file(result)->socket()->peer_name(address, length) < 0 ? 0 : *length;
  }
  return result;
}

int HostKernel::connect(int fd, const sockaddr* address, socklen_t length) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  // -EAGAIN: the backlog of a Unix socket is full.
  const auto result =
      static_cast<int>(blocking(*socket, true, [&] { return socket->connect(address, length); }));
  if (result != -EINPROGRESS || !socket->blocks()) return result;
  const auto waited = simulation_.wait(Simulation::kNever, [&] {
    return (socket->readiness() & (POLLOUT | POLLERR | POLLHUP)) != 0;
  });
  if (waited == Simulation::Waited::kDeadlocked) return -EDEADLK;
  return socket->connect(address, length);
}

int HostKernel::shutdown(int fd, int how) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  simulation_.note(*this, "shutdown", {fd, how});
  return socket == nullptr ? error : socket->shutdown(how);
}

int HostKernel::getsockname(int fd, sockaddr* address, socklen_t* length) {
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->local_name(address, length);
}

int HostKernel::getpeername(int fd, sockaddr* address, socklen_t* length) {
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->peer_name(address, length);
}

int HostKernel::getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->get_option(level, name, value, length);
}

int HostKernel::setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  int error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->set_option(level, name, value, length);
}

// --- Bytes

ssize_t HostKernel::recv(int fd, void* data, size_t size, int flags) {
  iovec piece = {data, size};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return recvmsg(fd, &message, flags);
}

ssize_t HostKernel::send(int fd, const void* data, size_t size, int flags) {
  iovec piece = {const_cast<void*>(data), size};  // NOLINT: msghdr serves both directions
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return sendmsg(fd, &message, flags);
}

ssize_t HostKernel::recvmsg(int fd, msghdr* message, int flags) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const msghdr asked = *message;
  const ssize_t result = blocking(*socket, (flags & MSG_DONTWAIT) == 0, [&] {
    *message = asked;
    return socket->receive(*message, flags);
  });
  simulation_.note(*this, "recv", {fd, result});
  return result;
}

ssize_t HostKernel::sendmsg(int fd, const msghdr* message, int flags) {
  enter_call();
  int error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  msghdr part = *message;
  const ssize_t result = blocking_send(
      *socket, message->msg_iov, message->msg_iovlen, (flags & MSG_DONTWAIT) == 0,
      [&](const iovec* left, size_t count) {
        part.msg_iov = const_cast<iovec*>(left);  // NOLINT: msghdr serves both directions
        part.msg_iovlen = count;
        const ssize_t sent = socket->send(part, flags);
        // Descriptors go with the first byte, once.
        if (sent > 0) part.msg_controllen = 0;
        return sent;
      });
  simulation_.note(*this, "send", {fd, result});
  return result;
}

ssize_t HostKernel::read(int fd, void* data, size_t size) {
  enter_call();
  const FileRef found = file(fd);
  if (found == nullptr) return -EBADF;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const ssize_t result = blocking(*found, true, [&] { return found->read(data, size); });
  simulation_.note(*this, "read", {fd, result});
  return result;
}

ssize_t HostKernel::writev(int fd, const iovec* pieces, int count) {
  enter_call();
  const FileRef found = file(fd);
  if (found == nullptr) return -EBADF;
  if (simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  const ssize_t result = blocking_send(
      *found, pieces, static_cast<size_t>(count), true,
      [&](const iovec* left, size_t many) { return found->write(left, static_cast<int>(many)); });
  simulation_.note(*this, "writev", {fd, result});
  return result;
}

int HostKernel::close(int fd) {
  enter_call();
  simulation_.note(*this, "close", {fd});
  return close_descriptor(fd);
}

int HostKernel::get_status_flags(int fd) {
  const FileRef found = file(fd);
  return found == nullptr ? -EBADF : found->status_flags;
}

int HostKernel::set_status_flags(int fd, int flags) {
  constexpr int kSettable = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;  // fcntl(2)
  const FileRef found = file(fd);
  if (found == nullptr) return -EBADF;
  found->status_flags = (found->status_flags & ~kSettable) | (flags & kSettable);
  return 0;
}

int HostKernel::descriptor_kind(int fd) {
  const FileRef found = file(fd);
  return found == nullptr ? -EBADF : static_cast<int>(found->kind());
}

int HostKernel::pipe(int descriptors[2], int flags) {
  auto [reader, writer] = make_pipe(simulation_, *this);
  const int from = install_with(std::move(reader), flags);
  if (from < 0) return from;
  const int to = install_with(std::move(writer), flags);
  if (to < 0) {
    close_descriptor(from);
    return to;
  }
  descriptors[0] = from;
  descriptors[1] = to;
  return 0;
}

// --- epoll

int HostKernel::epoll_create() {
  enter_call();
  if (simulation_.strikes(Fault::kNoDescriptors, *this)) return -EMFILE;
  return install(std::make_shared<Epoll>(*this));
}

int HostKernel::epoll_ctl(int epoll_fd, int operation, int fd, epoll_event* event) {
  enter_call();
  const auto epoll = as<Epoll>(file(epoll_fd));
  const FileRef target = file(fd);
  if (target == nullptr || file(epoll_fd) == nullptr) return -EBADF;
  if (epoll == nullptr) return -EINVAL;
  constexpr int kAdd = 1;  // EPOLL_CTL_ADD
  if (operation == kAdd && simulation_.strikes(Fault::kNoMemory, *this)) {
    return simulation_.tape.draw(2) == 0 ? -ENOMEM : -ENOSPC;
  }
  return epoll->control(operation, fd, target, event);
}

int HostKernel::epoll_wait(int epoll_fd, epoll_event* events, int capacity, int64_t timeout_ns) {
  enter_call();
  const auto epoll = as<Epoll>(file(epoll_fd));
  if (epoll == nullptr) return file(epoll_fd) == nullptr ? -EBADF : -EINVAL;
  if (capacity <= 0) return -EINVAL;
  simulation_.waits_on(*this, epoll);
  const bool ready = epoll->readiness() != 0;
  if (!ready && simulation_.strikes(Fault::kInterrupted, *this)) return -EINTR;
  if (ready) {
    simulation_.busy();
  } else if (timeout_ns == 0) {
    simulation_.idle();
  } else {
    const int64_t deadline =
        timeout_ns < 0 ? Simulation::kNever : simulation_.now_ns() + timeout_ns;
    const auto waited = simulation_.wait(deadline, [&] { return epoll->readiness() != 0; });
    if (waited == Simulation::Waited::kDeadlocked) return -EDEADLK;
  }
  const int count = epoll->take(events, capacity);
  simulation_.note(*this, "epoll_wait", {count});
  return count;
}

// --- io_uring

#if EDDY_HAS_URING

int HostKernel::uring_setup(unsigned entries, io_uring_params* parameters) {
  enter_call();
  int error = 0;
  FileRef ring = Uring::open(*this, entries, *parameters, error);
  return ring == nullptr ? error : install(std::move(ring));
}

int HostKernel::uring_enter(int ring_fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                            const void* argument, size_t argument_size) {
  enter_call();
  const auto ring = Uring::find(*this, ring_fd, flags);
  if (ring == nullptr) return file(ring_fd) == nullptr ? -EBADF : -EOPNOTSUPP;
  return ring->enter(to_submit, min_complete, flags, argument, argument_size);
}

int HostKernel::uring_register(int ring_fd, unsigned opcode, void* argument, unsigned count) {
  enter_call();
  const auto ring = as<Uring>(file(ring_fd));
  if (ring == nullptr) return file(ring_fd) == nullptr ? -EBADF : -EOPNOTSUPP;
  return ring->register_with(opcode, argument, count);
}

void* HostKernel::uring_map(int ring_fd, uint64_t offset, size_t size) {
  const auto ring = as<Uring>(file(ring_fd));
  return ring == nullptr ? nullptr : ring->map(offset, size);
}

#else

int HostKernel::uring_setup(unsigned, io_uring_params*) { return -ENOSYS; }
int HostKernel::uring_enter(int, unsigned, unsigned, unsigned, const void*, size_t) {
  return -ENOSYS;
}
int HostKernel::uring_register(int, unsigned, void*, unsigned) { return -ENOSYS; }
void* HostKernel::uring_map(int, uint64_t, size_t) { return nullptr; }

#endif

void HostKernel::uring_unmap(void* /*memory*/, size_t /*size*/) {}  // the ring's own

// --- Wake-ups and signals

int HostKernel::eventfd() {
  enter_call();
  if (simulation_.strikes(Fault::kNoDescriptors, *this)) return -EMFILE;
  return install_with(std::make_shared<EventCounter>(), SOCK_NONBLOCK);
}

int HostKernel::write_eventfd(int fd) noexcept {
  const auto counter = as<EventCounter>(file(fd));
  if (counter == nullptr) return -EBADF;
  counter->add(1);
  return 0;
}

int64_t HostKernel::read_eventfd(int fd) {
  const auto counter = as<EventCounter>(file(fd));
  return counter == nullptr ? -EBADF : counter->take();
}

int HostKernel::open_signal(int signal_number) {
  if (signal_number < 1 || signal_number > SIGRTMAX) return -EINVAL;
  if (signal_number == SIGKILL || signal_number == SIGSTOP) return -EINVAL;  // sigaction(2)
  const int fd = eventfd();
  if (fd >= 0) signals_.emplace(signal_number, fd);
  return fd;
}

int HostKernel::close_signal(int signal_number, int fd) {
  const auto [begin, end] = signals_.equal_range(signal_number);
  for (auto at = begin; at != end; ++at) {
    if (at->second != fd) continue;
    signals_.erase(at);
    return close(fd);
  }
  return -EBADF;
}

// --- Memory

void* HostKernel::map_memory(size_t size) {
  if (simulation_.strikes(Fault::kNoMemory, *this)) return nullptr;
  // From Linux itself, which gives zeroed pages as they are touched.
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  memory_.emplace(memory, size);
  return memory;
}

void HostKernel::unmap_memory(void* memory, size_t size) {
  memory_.erase(memory);
  ::munmap(memory, size);
}

void HostKernel::discard_memory(void* memory, size_t size) {
  ::madvise(memory, size, MADV_DONTNEED);
}

}  // namespace eddy::sim
