// The bare epoll echo loop: what a library's epoll backend is measured against.
//
// One EPOLL_CTL_ADD for a connection's life, edge-triggered; one read buffer for all, so that it
// stays in the cache; a short read ends a connection's turn without a second call. What a full
// socket refuses stays where it was read: the connection takes that buffer and reads no more until
// it is written, and the loop goes on with another.
#include <sys/epoll.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "floor.h"

// The same loop again, as floor_epoll_seam: its calls go through eddy's kernel seam, whose cost
// that shows.
#ifdef THROUGH_SEAM
#include <eddy/core/linux_kernel.h>
#endif

namespace {

#ifdef THROUGH_SEAM
eddy::Kernel& kernel = eddy::linux_kernel();
template <typename T>
T result(T value) {
  if (value >= 0) return value;
  errno = static_cast<int>(-value);
  return -1;
}
ssize_t recv(int fd, void* data, size_t size, int flags) {
  return result(kernel.recv(fd, data, size, flags));
}
ssize_t send(int fd, const void* data, size_t size, int flags) {
  return result(kernel.send(fd, data, size, flags));
}
int wait_for_events(int epoll_fd, epoll_event* events, int capacity) {
  return kernel.epoll_wait(epoll_fd, events, capacity, -1);
}
#else
int wait_for_events(int epoll_fd, epoll_event* events, int capacity) {
  return epoll_wait(epoll_fd, events, capacity, -1);
}
#endif

struct Free {
  void operator()(char* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<char, Free>;

struct Pending {
  Buffer buffer;
  size_t begin = 0, end = 0;
};

class Loop {
 public:
  Loop(int listener, size_t buffer_size)
      : listener_(listener), size_(buffer_size), buffer_(new_buffer()) {
    add(listener, EPOLLIN);
  }
  void run();
  floor_loop::Counts counts;

 private:
  Buffer new_buffer() { return Buffer(static_cast<char*>(std::aligned_alloc(4096, size_))); }
  void add(int fd, uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  void accept_all();
  void serve(int fd, bool ending);
  bool write_pending(int fd, Pending& pending);
  void drop(int fd);

  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int listener_;
  size_t size_;
  Buffer buffer_;
  std::vector<Buffer> free_;
  std::vector<Pending> pending_;  // by descriptor
};

void Loop::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ++counts.syscalls;
    if (fd < 0) return;
    if (static_cast<size_t>(fd) >= pending_.size()) pending_.resize(static_cast<size_t>(fd) * 2);
    add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  }
}

void Loop::drop(int fd) {
  Pending& pending = pending_[static_cast<size_t>(fd)];
  if (pending.buffer) free_.push_back(std::move(pending.buffer));
  pending = {};
  close(fd);
}

// False if the connection cannot go on reading.
bool Loop::write_pending(int fd, Pending& pending) {
  ++counts.syscalls;
  const ssize_t n = send(fd, pending.buffer.get() + pending.begin, pending.end - pending.begin, 0);
  if (n < 0 && errno != EAGAIN) drop(fd);
  if (n < 0) return false;
  pending.begin += static_cast<size_t>(n);
  if (pending.begin < pending.end) return false;
  free_.push_back(std::move(pending.buffer));
  pending = {};
  return true;
}

void Loop::serve(int fd, bool ending) {
  Pending& pending = pending_[static_cast<size_t>(fd)];
  if (pending.buffer && !write_pending(fd, pending)) return;
  for (;;) {
    ++counts.syscalls;
    const ssize_t n = recv(fd, buffer_.get(), size_, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return drop(fd);
    const auto size = static_cast<size_t>(n);
    ++counts.receives;
    counts.bytes += size;
    ++counts.syscalls;
    const ssize_t sent = send(fd, buffer_.get(), size, 0);
    if (sent < 0 && errno != EAGAIN) return drop(fd);
    const size_t gone = sent > 0 ? static_cast<size_t>(sent) : 0;
    if (gone < size) {
      pending = {std::move(buffer_), gone, size};
      if (free_.empty()) free_.push_back(new_buffer());
      buffer_ = std::move(free_.back());
      free_.pop_back();
      return;
    }
    if (size < size_ && !ending) return;
  }
}

void Loop::run() {
  epoll_event events[512];
  floor_loop::announce();
  while (!floor_loop::stopped) {
    const int n = wait_for_events(epoll_, events, 512);
    ++counts.syscalls;
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener_)
        accept_all();
      else
        serve(fd, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  unsigned buffer_size = 64 * 1024, over_unix = 0;
  const uint16_t port =
      floor_loop::parse_arguments(argc, argv, {{"buffer", &buffer_size}, {"unix", &over_unix}});
  if (buffer_size == 0) floor_loop::usage(argv[0], "buffer must not be 0", "");
  floor_loop::prepare_process();
  Loop loop(over_unix ? floor_loop::listen_on_name(port) : floor_loop::listen_on_loopback(port),
            buffer_size);
  loop.run();
  floor_loop::print(loop.counts);
}
