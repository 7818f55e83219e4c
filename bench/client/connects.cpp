// Connections of one request each. The server closes after its answer, and this side, having seen
// that, ends with a reset (SO_LINGER of 0, tcp(7)), which meets only the server's half-closed
// remains: nothing is lost by it, neither side is left in TIME-WAIT, whose timers would fire in
// whatever is measured a minute later, and one source address has ports enough.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "endpoint.h"
#include "modes.h"
#include "pattern.h"
#include "window.h"

namespace bench {
namespace {

constexpr size_t kChunk = 64 * 1024;
constexpr uint64_t kDrainNs = 5'000'000'000;

struct Connection {
  int fd = -1;
  uint32_t phase = 0;
  uint64_t missing = 0;
  uint64_t started_ns = 0;
};

class Connects {
 public:
  explicit Connects(const Options& options)
      : options_(options),
        window_(options),
        server_(endpoint_of(options)),
        pattern_(options.size),
        input_(kChunk),
        connections_(static_cast<size_t>(options.conns)) {
    if (options.size > kChunk) fail("a request of a connection has at most 64 KiB");
  }
  void run();

 private:
  void turn(int timeout_ms);
  void start(size_t i);
  void read_some(size_t i);
  void ended(size_t i);

  const Options& options_;
  Window window_;
  const Endpoint server_;
  Pattern pattern_;
  std::vector<char> input_;
  std::vector<Connection> connections_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  uint64_t made_ = 0;
  size_t under_way_ = 0;
  bool draining_ = false;
};

void Connects::start(size_t i) {
  Connection& c = connections_[i];
  c.started_ns = now_ns();
  c.fd = connect_stream(options_, server_, 0);
  c.phase = phase_of(made_++);
  c.missing = options_.size;
  ++under_way_;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (send(c.fd, pattern_.at(c.phase), options_.size, MSG_NOSIGNAL) !=
      static_cast<ssize_t>(options_.size)) {
    fail_errno("send");
  }
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.u64 = i}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event);
}

void Connects::ended(size_t i) {
  Connection& c = connections_[i];
  if (c.missing > 0) fail("the server closed before it had answered");
  close(c.fd);
  --under_way_;
  window_.bytes += options_.size;
  window_.latency.record(now_ns() - c.started_ns);
  if (!draining_) start(i);
}

void Connects::read_some(size_t i) {
  Connection& c = connections_[i];
  for (;;) {
    const ssize_t n = recv(c.fd, input_.data(), kChunk, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail_errno("receive");
    if (n == 0) return ended(i);
    const auto size = static_cast<size_t>(n);
    if (size > c.missing || !pattern_.holds(c.phase, input_.data(), size)) {
      fail("the server sent back other bytes than it was sent");
    }
    c.phase = advance(c.phase, size);
    c.missing -= size;
  }
}

void Connects::turn(int timeout_ms) {
  epoll_event events[512];
  const int n = epoll_wait(epoll_, events, 512, timeout_ms);
  for (int k = 0; k < n; ++k) read_some(events[k].data.u64);
}

void Connects::run() {
  for (size_t i = 0; i < connections_.size(); ++i) start(i);
  window_.run([this](int timeout_ms) { turn(timeout_ms); });
  window_.print();
  draining_ = true;
  const uint64_t deadline = now_ns() + kDrainNs;
  while (under_way_ > 0 && now_ns() < deadline) turn(100);
  if (under_way_ > 0) fail(std::to_string(under_way_) + " connections were never closed");
}

}  // namespace

void connect_each_time(const Options& options) { Connects(options).run(); }

}  // namespace bench
