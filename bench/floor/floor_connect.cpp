// The bare epoll loop of connections of one request each: accept, read, write, close.
//
// With eager=1 a connection is read at once when it has been accepted, and meets epoll only if its
// request is not there yet.
#include <sys/epoll.h>
#include <unistd.h>

#include <array>

#include "floor.h"

namespace {

class Loop {
 public:
  Loop(int listener, bool eager) : listener_(listener), eager_(eager) { add(listener); }
  void run();
  floor_loop::Counts counts;

 private:
  void add(int fd) {
    ++counts.syscalls;
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  void accept_all();
  bool answer(int fd);

  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int listener_;
  bool eager_;
  std::array<char, 64 * 1024> buffer_{};
};

void Loop::accept_all() {
  for (;;) {
    ++counts.syscalls;
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (!eager_ || !answer(fd)) add(fd);
  }
}

// A request is so small that it comes in one piece and its answer fits the socket. False: it has
// not come yet.
bool Loop::answer(int fd) {
  ++counts.syscalls;
  const ssize_t n = recv(fd, buffer_.data(), buffer_.size(), 0);
  if (n < 0 && errno == EAGAIN) return false;
  if (n > 0) {
    ++counts.receives;
    counts.bytes += static_cast<uint64_t>(n);
    ++counts.syscalls;
    send(fd, buffer_.data(), static_cast<size_t>(n), 0);
  }
  ++counts.syscalls;
  close(fd);
  return true;
}

void Loop::run() {
  epoll_event events[512];
  floor_loop::announce();
  while (!floor_loop::stopped) {
    ++counts.syscalls;
    const int n = epoll_wait(epoll_, events, 512, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener_)
        accept_all();
      else
        answer(fd);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  unsigned eager = 0;
  const uint16_t port = floor_loop::parse_arguments(argc, argv, {{"eager", &eager}});
  floor_loop::prepare_process();
  Loop loop(floor_loop::listen_on_loopback(port), eager != 0);
  loop.run();
  floor_loop::print(loop.counts);
}
