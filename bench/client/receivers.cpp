// Receivers of broadcasts, one under way at a time. Most of what arrives is dropped by the kernel
// without a copy (MSG_TRUNC, tcp(7)), since this side must keep up with one that copies nothing
// either; a share of it is read and compared.
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

constexpr size_t kChunk = 256 * 1024;
constexpr uint64_t kPatienceNs = 10'000'000'000;
constexpr size_t kComparedShare = 64;  // one receiver of so many, another one each time

class Receivers {
 public:
  explicit Receivers(const Options& options);
  void run();

 private:
  void broadcast();
  void read_some(size_t i);

  const Options& options_;
  Window window_;
  Pattern pattern_{kChunk};
  std::vector<char> input_;
  std::vector<int> fds_;
  std::vector<uint64_t> missing_;  // of the present broadcast
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  uint64_t number_ = 0;
  uint64_t started_ns_ = 0;
  size_t waiting_ = 0;
};

Receivers::Receivers(const Options& options) : options_(options), window_(options), input_(kChunk) {
  const Endpoint server = endpoint_of(options);
  const linger reset{.l_onoff = 1, .l_linger = 0};  // at the end, no port stays in TIME-WAIT
  missing_.resize(static_cast<size_t>(options.conns));
  for (size_t i = 0; i < missing_.size(); ++i) {
    fds_.push_back(connect_stream(options, server, i));
    setsockopt(fds_.back(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.u64 = i}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fds_.back(), &event);
  }
}

// Every message is the pattern from its start.
void Receivers::read_some(size_t i) {
  const bool compared = i % kComparedShare == number_ % kComparedShare;
  const ssize_t n = recv(fds_[i], input_.data(), kChunk, MSG_DONTWAIT | (compared ? 0 : MSG_TRUNC));
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) fail_errno("receive");
  if (n == 0) fail("the server closed a connection");
  const auto size = static_cast<size_t>(n);
  const auto phase = static_cast<uint32_t>((options_.size - missing_[i]) % kPeriod);
  if (size > missing_[i]) fail("the server sent more than one message");
  if (compared && !pattern_.holds(phase, input_.data(), size)) fail("the message came damaged");
  missing_[i] -= size;
  window_.bytes += size;
  if (missing_[i] > 0) return;
  window_.latency.record(now_ns() - started_ns_);
  --waiting_;
}

void Receivers::broadcast() {
  ++number_;
  waiting_ = missing_.size();
  std::fill(missing_.begin(), missing_.end(), options_.size);
  started_ns_ = now_ns();
  // From the last one made: the server knows all others by then.
  if (send(fds_.back(), "!", 1, MSG_NOSIGNAL) != 1) fail_errno("send");
  epoll_event events[512];
  while (waiting_ > 0) {
    const int n = epoll_wait(epoll_, events, 512, 100);
    for (int k = 0; k < n; ++k) read_some(events[k].data.u64);
    if (now_ns() - started_ns_ > kPatienceNs) {
      fail(std::to_string(waiting_) + " receivers never got the message whole");
    }
  }
}

void Receivers::run() {
  window_.run([this](int) { broadcast(); });
  window_.print();
}

}  // namespace

void receive_broadcasts(const Options& options) { Receivers(options).run(); }

}  // namespace bench
