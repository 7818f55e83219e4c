// Requests by a Poisson process, sent by a loop that does nothing but poll: what a load generator's
// own delay is held against.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <vector>

#include "endpoint.h"
#include "modes.h"
#include "pattern.h"
#include "window.h"

namespace bench {
namespace {

constexpr size_t kMost = 64 * 1024;  // bytes of a request

struct Connection {
  int fd = -1;
  uint64_t due = 0;      // of the request that it carries
  uint64_t missing = 0;  // bytes of its answer
};

class Paced {
 public:
  explicit Paced(const Options& options)
      : options_(options), window_(options), gaps_(options.rate / 1e9), input_(kMost) {}
  void connect_all();
  void run();

 private:
  void send_due();
  void receive(size_t i);
  void turn();

  const Options& options_;
  Window window_;
  Pattern pattern_{kMost};
  std::mt19937_64 chance_{1};
  std::exponential_distribution<double> gaps_;
  std::vector<char> input_;
  std::vector<Connection> connections_;
  std::vector<size_t> free_;
  int epoll_ = -1;
  double due_ = 0;
  uint64_t free_since_ = 0;  // there has been a free connection
};

void Paced::connect_all() {
  if (options_.size > kMost) fail("requests by a schedule have at most 64 KiB");
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  const Endpoint server = endpoint_of(options_);
  for (size_t i = 0; i < static_cast<size_t>(options_.conns); ++i) {
    connections_.push_back({.fd = connect_stream(options_, server, i)});
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = i}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].fd, &event);
    free_.push_back(i);
  }
}

void Paced::send_due() {
  for (uint64_t now = now_ns(); !free_.empty() && static_cast<double>(now) >= due_;
       now = now_ns()) {
    Connection& c = connections_[free_.back()];
    free_.pop_back();
    c.due = static_cast<uint64_t>(due_);
    c.missing = options_.size;
    window_.lateness.record(now - std::max(c.due, free_since_));
    due_ += gaps_(chance_);
    const ssize_t n = send(c.fd, pattern_.at(0), options_.size, MSG_NOSIGNAL);
    if (n != static_cast<ssize_t>(options_.size)) fail_errno("send");
  }
}

void Paced::receive(size_t i) {
  Connection& c = connections_[i];
  const ssize_t n = recv(c.fd, input_.data(), input_.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) fail("the server closed a connection");
  const uint64_t size = std::min<uint64_t>(static_cast<uint64_t>(n), c.missing);
  window_.bytes += size;
  c.missing -= size;
  if (c.missing > 0) return;
  const uint64_t now = now_ns();
  window_.latency.record(now - c.due);
  if (free_.empty()) free_since_ = now;
  free_.push_back(i);
}

void Paced::turn() {
  send_due();
  epoll_event events[64];
  const int n = epoll_wait(epoll_, events, 64, 0);
  for (int k = 0; k < n; ++k) {
    receive(events[k].data.u64);
    send_due();
  }
}

void Paced::run() {
  due_ = static_cast<double>(now_ns());
  window_.run([this](int) { turn(); });
  window_.print();
}

}  // namespace

void send_paced(const Options& options) {
  Paced paced(options);
  paced.connect_all();
  paced.run();
}

}  // namespace bench
