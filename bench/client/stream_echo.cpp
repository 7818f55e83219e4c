#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "endpoint.h"
#include "modes.h"
#include "pattern.h"
#include "window.h"

namespace bench {
namespace {

constexpr size_t kChunk = 256 * 1024;  // the most that one call reads or writes
constexpr uint64_t kDrainNs = 5'000'000'000;

struct Connection {
  int fd = -1;
  uint32_t in_phase = 0;   // position in the pattern of the next byte to come
  uint32_t out_phase = 0;  // and of the next byte to go
  uint32_t oldest = 0;     // slot of the oldest request in flight, below depth
  uint64_t unsent = 0;     // bytes that may be written now
  uint64_t missing = 0;    // bytes until the oldest request is complete
  bool writable = true;
};

class StreamEcho {
 public:
  explicit StreamEcho(const Options& options)
      : options_(options),
        window_(options),
        input_(kChunk),
        started_(static_cast<size_t>(options.conns) * options.depth) {}

  void connect_all();
  void run();

 private:
  void turn(int timeout_ms);
  void read_some(size_t i);
  void write_some(Connection& c);
  void complete(size_t i, Connection& c, uint64_t bytes);
  void drain();

  const Options& options_;
  Window window_;
  Pattern pattern_{kChunk};
  std::vector<char> input_;
  std::vector<uint64_t> started_;  // when each request in flight was released, by slot
  std::vector<Connection> connections_;
  int epoll_ = -1;
  uint64_t in_flight_ = 0;
  bool draining_ = false;
};

void StreamEcho::connect_all() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  connections_.resize(static_cast<size_t>(options_.conns));
  const Endpoint server = endpoint_of(options_);
  for (size_t i = 0; i < connections_.size(); ++i) {
    const int fd = connect_stream(options_, server, i);
    connections_[i] = {
        .fd = fd, .in_phase = phase_of(i), .out_phase = phase_of(i), .missing = options_.size};
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = i}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void StreamEcho::write_some(Connection& c) {
  while (c.unsent > 0 && c.writable) {
    const size_t want = std::min<uint64_t>(c.unsent, kChunk);
    const ssize_t n = send(c.fd, pattern_.at(c.out_phase), want, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) fail_errno("send");
    c.writable = n == static_cast<ssize_t>(want);
    if (n < 0) return;
    c.unsent -= static_cast<uint64_t>(n);
    c.out_phase = advance(c.out_phase, static_cast<size_t>(n));
  }
}

void StreamEcho::complete(size_t i, Connection& c, uint64_t bytes) {
  window_.bytes += bytes;
  if (bytes < c.missing) {
    c.missing -= bytes;
    return;
  }
  const uint64_t now = now_ns();
  while (bytes >= c.missing) {
    bytes -= c.missing;
    c.missing = options_.size;
    uint64_t& started = started_[i * options_.depth + c.oldest];
    window_.latency.record(now - started);
    if (draining_) {
      if (--in_flight_ == 0) return;
    } else {
      started = now;
      c.unsent += options_.size;
    }
    if (++c.oldest == options_.depth) c.oldest = 0;
  }
  c.missing -= bytes;
}

void StreamEcho::read_some(size_t i) {
  Connection& c = connections_[i];
  for (;;) {
    const ssize_t n = recv(c.fd, input_.data(), kChunk, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail_errno("receive");
    if (n == 0) fail("the server closed a connection");
    const auto size = static_cast<size_t>(n);
    if (!pattern_.holds(c.in_phase, input_.data(), size)) {
      fail("the server sent back other bytes than it was sent");
    }
    c.in_phase = advance(c.in_phase, size);
    complete(i, c, size);
    write_some(c);
    if (size < kChunk) return;
  }
}

void StreamEcho::turn(int timeout_ms) {
  epoll_event events[512];
  const int n = epoll_wait(epoll_, events, 512, timeout_ms);
  for (int k = 0; k < n; ++k) {
    Connection& c = connections_[events[k].data.u64];
    if (events[k].events & EPOLLOUT) c.writable = true;
    if (events[k].events & ~static_cast<uint32_t>(EPOLLOUT)) read_some(events[k].data.u64);
    write_some(c);
  }
}

void StreamEcho::drain() {
  draining_ = true;
  in_flight_ = static_cast<uint64_t>(options_.conns) * options_.depth;
  const uint64_t deadline = now_ns() + kDrainNs;
  while (in_flight_ > 0 && now_ns() < deadline) turn(100);
  if (in_flight_ > 0) {
    fail(std::to_string(in_flight_) + " requests were never answered whole");
  }
}

void StreamEcho::run() {
  const uint64_t start = now_ns();
  for (uint64_t& t : started_) t = start;
  for (Connection& c : connections_) {
    c.unsent = options_.size * options_.depth;
    write_some(c);
  }
  window_.run([this](int timeout_ms) { turn(timeout_ms); });
  window_.print();
  drain();
}

}  // namespace

void echo_streams(const Options& options) {
  StreamEcho echo(options);
  echo.connect_all();
  echo.run();
}

}  // namespace bench
