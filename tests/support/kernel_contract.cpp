#include "kernel_contract.h"

#include <arpa/inet.h>
#include <eddy/core/linux_kernel.h>
#include <eddy/sim/world.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

namespace eddy::test {
namespace {

class LinuxUnderTest final : public KernelUnderTest {
 public:
  ~LinuxUnderTest() override {
    if (!folder_.empty()) rmdir(folder_.c_str());
  }
  Kernel& kernel() override { return linux_kernel(); }
  int pipe(int descriptors[2]) override {
    return pipe2(descriptors, O_NONBLOCK | O_CLOEXEC) == 0 ? 0 : -errno;
  }
  std::string folder() override {
    if (folder_.empty()) {
      char name[] = "/tmp/kernel_contract.XXXXXX";
      folder_ = mkdtemp(name) != nullptr ? name : "";
    }
    return folder_;
  }

 private:
  std::string folder_;
};

class SimulatedUnderTest final : public KernelUnderTest {
 public:
  Kernel& kernel() override { return host_.kernel(); }
  int pipe(int descriptors[2]) override { return host_.pipe(descriptors, O_NONBLOCK); }
  std::string folder() override { return "/run"; }

 private:
  sim::World world_{1};
  sim::Host host_ = world_.host("10.0.0.1");
};

std::string outcome(ssize_t result, const char* bytes) {
  if (result < 0) return strerrorname_np(static_cast<int>(-result));
  return result == 0 ? "end" : std::string(bytes, static_cast<size_t>(result));
}

template <typename Call>
sockaddr_in inet_name(Call&& call) {
  sockaddr_in name = {};
  socklen_t length = sizeof name;
  EXPECT_EQ(call(reinterpret_cast<sockaddr*>(&name), &length), 0);
  EXPECT_EQ(length, sizeof name);
  return name;
}

template <typename Call>
std::string local_name(Call&& call) {
  sockaddr_un name = {};
  socklen_t length = sizeof name;
  const int result = call(reinterpret_cast<sockaddr*>(&name), &length);
  if (result < 0) return strerrorname_np(-result);
  std::string path(name.sun_path, length - offsetof(sockaddr_un, sun_path));
  // A path comes with its zero byte.
  if (!path.empty() && path.front() != '\0') path.pop_back();
  return path;
}

}  // namespace

std::vector<KernelChoice> kernels_under_test() {
  return {{"Linux", [] { return std::make_unique<LinuxUnderTest>(); }},
          {"Simulated", [] { return std::make_unique<SimulatedUnderTest>(); }}};
}

KernelContract::~KernelContract() {
  for (const int fd : open_) kernel.close(fd);
  for (const std::string& path : paths_) kernel.unlink(path.c_str());
}

// --- Descriptors

int KernelContract::keep(int fd) {
  EXPECT_GE(fd, 0);
  if (fd >= 0) open_.push_back(fd);
  return fd;
}

void KernelContract::close(int fd) {
  EXPECT_EQ(std::erase(open_, fd), 1U);
  EXPECT_EQ(kernel.close(fd), 0);
}

Ends KernelContract::pair(int type) {
  int descriptors[2] = {-1, -1};
  EXPECT_EQ(kernel.socketpair(AF_UNIX, type | kNonBlocking, 0, descriptors), 0);
  return {keep(descriptors[0]), keep(descriptors[1])};
}

Ends KernelContract::pipe() {
  int descriptors[2] = {-1, -1};
  EXPECT_EQ(under_test->pipe(descriptors), 0);
  return {keep(descriptors[0]), keep(descriptors[1])};
}

// --- TCP and UDP

sockaddr_in KernelContract::inet(const char* ip, uint16_t port) {
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET, ip, &name.sin_addr), 1);
  return name;
}

int KernelContract::bind(int fd, const sockaddr_in& name) {
  return kernel.bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
}

int KernelContract::connect(int fd, const sockaddr_in& name) {
  return kernel.connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
}

sockaddr_in KernelContract::name_of(int fd) {
  return inet_name([&](auto... where) { return kernel.getsockname(fd, where...); });
}

sockaddr_in KernelContract::peer_of(int fd) {
  return inet_name([&](auto... where) { return kernel.getpeername(fd, where...); });
}

int KernelContract::listener(int backlog) {
  const int fd = tcp();
  EXPECT_EQ(bind(fd, inet("127.0.0.1", 0)), 0);
  EXPECT_EQ(kernel.listen(fd, backlog), 0);
  return fd;
}

int KernelContract::accept(int listening) {
  await(listening, EPOLLIN);
  return keep(kernel.accept4(listening, nullptr, nullptr, kNonBlocking));
}

Ends KernelContract::connected() {
  const int listening = listener();
  Ends ends;
  ends.a = tcp();
  EXPECT_EQ(connect(ends.a, name_of(listening)), -EINPROGRESS);
  ends.b = accept(listening);
  EXPECT_EQ(await(ends.a, EPOLLOUT), uint32_t{EPOLLOUT});
  close(listening);
  return ends;
}

int KernelContract::bound_udp() {
  const int fd = udp();
  EXPECT_EQ(bind(fd, inet("127.0.0.1", 0)), 0);
  return fd;
}

// --- Unix sockets

KernelContract::LocalName KernelContract::local(std::string_view path) {
  LocalName name;
  name.address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof name.address.sun_path);
  memcpy(name.address.sun_path, path.data(), path.size());
  const bool is_abstract = path.empty() || path.front() == '\0';
  name.length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
  return name;
}

std::string KernelContract::path() {
  paths_.push_back(under_test->folder() + "/" + std::to_string(paths_.size()));
  return paths_.back();
}

int KernelContract::bind(int fd, const LocalName& name) {
  return kernel.bind(fd, reinterpret_cast<const sockaddr*>(&name.address), name.length);
}

int KernelContract::connect(int fd, const LocalName& name) {
  return kernel.connect(fd, reinterpret_cast<const sockaddr*>(&name.address), name.length);
}

std::string KernelContract::local_name_of(int fd) {
  return local_name([&](auto... where) { return kernel.getsockname(fd, where...); });
}

std::string KernelContract::local_peer_of(int fd) {
  return local_name([&](auto... where) { return kernel.getpeername(fd, where...); });
}

// --- Bytes

ssize_t KernelContract::send(int fd, std::string_view bytes, int flags) {
  return kernel.send(fd, bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);
}

ssize_t KernelContract::send_to(int fd, const sockaddr_in& to, std::string_view bytes) {
  sockaddr_in name = to;
  iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: as msghdr has it
  msghdr message = {};
  message.msg_name = &name;
  message.msg_namelen = sizeof name;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return kernel.sendmsg(fd, &message, MSG_NOSIGNAL);
}

std::string KernelContract::receive(int fd, size_t most, int flags) {
  std::vector<char> room(most);
  return outcome(kernel.recv(fd, room.data(), most, flags), room.data());
}

std::string KernelContract::read(int fd, size_t most) {
  std::vector<char> room(most);
  return outcome(kernel.read(fd, room.data(), most), room.data());
}

ssize_t KernelContract::write(int fd, std::string_view bytes) {
  const iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT: as iovec has it
  return kernel.writev(fd, &piece, 1);
}

size_t KernelContract::fill(int fd) {
  const std::string piece(4096, 'f');
  size_t total = 0;
  ssize_t result;
  while ((result = write(fd, piece)) > 0) total += static_cast<size_t>(result);
  EXPECT_EQ(result, -EAGAIN);
  return total;
}

size_t KernelContract::drain(int fd) {
  size_t total = 0;
  std::vector<char> room(65536);
  ssize_t result;
  while ((result = kernel.read(fd, room.data(), room.size())) > 0) {
    total += static_cast<size_t>(result);
  }
  EXPECT_EQ(result, -EAGAIN);
  return total;
}

// --- Options

int KernelContract::set(int fd, int level, int name, int value) {
  return kernel.setsockopt(fd, level, name, &value, sizeof value);
}

int KernelContract::get(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  const int result = kernel.getsockopt(fd, level, name, &value, &length);
  return result < 0 ? result : value;
}

void KernelContract::set_linger(int fd, int seconds) {
  const linger value = {.l_onoff = 1, .l_linger = seconds};
  EXPECT_EQ(kernel.setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof value), 0);
}

// --- Readiness

uint32_t KernelContract::readiness(int fd) { return await(fd, 0); }

uint32_t KernelContract::await(int fd, uint32_t events) {
  const int epoll_fd = kernel.epoll_create();
  EXPECT_GE(epoll_fd, 0);
  // Edge-triggered, so that what is there already does not end every wait.
  EXPECT_EQ(
      control(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET),
      0);
  uint32_t seen = 0;
  int count = 0;
  do {
    epoll_event event = {};
    count = kernel.epoll_wait(epoll_fd, &event, 1, events == 0 ? 0 : kLongNs);
    if (count == 1) seen = event.events;
  } while ((seen & events) != events && count == 1);
  kernel.close(epoll_fd);
  return seen;
}

int KernelContract::control(int epoll_fd, int operation, int fd, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  return kernel.epoll_ctl(epoll_fd, operation, fd, &event);
}

std::vector<std::pair<int, uint32_t>> KernelContract::wait(int epoll_fd, int64_t timeout_ns,
                                                           int capacity) {
  std::vector<epoll_event> events(static_cast<size_t>(capacity));
  const int count = kernel.epoll_wait(epoll_fd, events.data(), capacity, timeout_ns);
  EXPECT_GE(count, 0);
  std::vector<std::pair<int, uint32_t>> got;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    got.emplace_back(event.data.fd, event.events);
  }
  return got;
}

}  // namespace eddy::test
