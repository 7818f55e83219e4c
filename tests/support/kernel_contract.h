// What Linux's system calls promise, asked of the seam (core/kernel.h): the suites that use this
// run on LinuxKernel and on the simulated kernel alike, and so show that the model is Linux's.
//
// Everything happens on one host, over loopback and Unix sockets, from one thread. What arrives is
// awaited with epoll, so nothing depends on how long it takes.
#pragma once

#include <eddy/core/kernel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::test {

// A kernel, and the few calls that the contract needs and the seam has not.
class KernelUnderTest {
 public:
  virtual ~KernelUnderTest() = default;
  virtual Kernel& kernel() = 0;
  virtual int pipe(int descriptors[2]) = 0;  // pipe2(2), O_NONBLOCK
  // Where socket files can be made.
  virtual std::string folder() = 0;
};

struct KernelChoice {
  std::string name;
  std::function<std::unique_ptr<KernelUnderTest>()> make;
};
inline void PrintTo(const KernelChoice& choice, std::ostream* out) {  // NOLINT: GoogleTest's name
  *out << choice.name;
}
std::vector<KernelChoice> kernels_under_test();

// Two descriptors that are connected: of TCP, the one that connected and the one that accepted.
struct Ends {
  int a = -1;
  int b = -1;
};

class KernelContract : public testing::TestWithParam<KernelChoice> {
 protected:
  static constexpr int kNonBlocking = SOCK_NONBLOCK | SOCK_CLOEXEC;
  static constexpr uint32_t kReadEnd = EPOLLIN | EPOLLRDHUP;
  static constexpr uint32_t kHungUp = kReadEnd | EPOLLHUP;

  ~KernelContract() override;

  // --- Descriptors: closed when the test ends, unless it did.
  int keep(int fd);
  void close(int fd);
  int socket(int domain, int type) { return keep(kernel.socket(domain, type | kNonBlocking, 0)); }
  int tcp() { return socket(AF_INET, SOCK_STREAM); }
  int udp() { return socket(AF_INET, SOCK_DGRAM); }
  Ends pair(int type);  // socketpair(2)
  Ends pipe();          // the reading end, the writing end
  int duplicate(int fd) { return keep(kernel.duplicate(fd)); }

  // --- TCP and UDP, on 127.0.0.1
  static sockaddr_in inet(const char* ip, uint16_t port);
  int bind(int fd, const sockaddr_in& name);
  int connect(int fd, const sockaddr_in& name);
  sockaddr_in name_of(int fd);
  sockaddr_in peer_of(int fd);
  int listener(int backlog = 16);
  // Waits for a connection and takes it.
  int accept(int listening);
  Ends connected();
  int bound_udp();

  // --- Unix sockets
  struct LocalName {
    sockaddr_un address = {};
    socklen_t length = 0;
  };
  static LocalName local(std::string_view path);  // abstract if it begins with a zero byte
  // A path that no other test has; unlinked when the test ends.
  std::string path();
  int bind(int fd, const LocalName& name);
  int connect(int fd, const LocalName& name);
  std::string local_name_of(int fd);
  std::string local_peer_of(int fd);

  // --- Bytes
  ssize_t send(int fd, std::string_view bytes, int flags = 0);
  ssize_t send_to(int fd, const sockaddr_in& to, std::string_view bytes);
  // What recv(2) gave: the bytes, "end" for none, or the name of the error.
  std::string receive(int fd, size_t most = 65536, int flags = 0);
  std::string read(int fd, size_t most = 65536);
  ssize_t write(int fd, std::string_view bytes);
  // Until there is no more room: how much went in.
  size_t fill(int fd);
  // Until nothing is there: how much came.
  size_t drain(int fd);

  // --- Options
  int set(int fd, int level, int name, int value);
  int get(int fd, int level, int name);  // the value, or a negative errno
  int error_of(int fd) { return get(fd, SOL_SOCKET, SO_ERROR); }
  void set_linger(int fd, int seconds);

  // --- Readiness: EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, EPOLLHUP and EPOLLERR, as they are now
  uint32_t readiness(int fd);
  // … once they have all of these, or five seconds have passed.
  uint32_t await(int fd, uint32_t events);
  int epoll() { return keep(kernel.epoll_create()); }
  int control(int epoll_fd, int operation, int fd, uint32_t events);
  // "fd:events …" of what a wait gives within this time; the numbers are those of `control`.
  std::vector<std::pair<int, uint32_t>> wait(int epoll_fd, int64_t timeout_ns, int capacity = 16);
  std::vector<std::pair<int, uint32_t>> poll(int epoll_fd) { return wait(epoll_fd, 0); }

  const std::unique_ptr<KernelUnderTest> under_test = GetParam().make();
  Kernel& kernel = under_test->kernel();

 private:
  std::vector<int> open_;
  std::vector<std::string> paths_;
};

using EpollEvents = std::vector<std::pair<int, uint32_t>>;
inline constexpr int64_t kLongNs = 5'000'000'000;

}  // namespace eddy::test

#define EDDY_ON_EVERY_KERNEL(suite)                                                        \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::ValuesIn(::eddy::test::kernels_under_test()), \
                           [](const auto& test) { return test.param.name; })
