// The bare HTTP server, as cheap as one epoll thread can be: what load generators are measured on,
// so that what they take is theirs. It counts the empty lines that end a request's head, takes no
// bodies, and answers always the same, all that came with one read by one send. It waits for a
// client that does not read.
#include <sys/epoll.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "floor.h"

namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr std::string_view kEnd = "\r\n\r\n";
constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "Content-Type: text/plain\r\nContent-Length: 14\r\nConnection: keep-alive\r\n\r\n"
    "Hello, World!\n";

class Loop {
 public:
  explicit Loop(int listener) : listener_(listener) { add(listener, EPOLLIN); }
  void run();
  floor_loop::Counts counts;

 private:
  void add(int fd, uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  void accept_all();
  void serve(int fd);
  static size_t take(std::string_view bytes, std::string& rest);
  bool answer(int fd, size_t count);

  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int listener_;
  std::vector<char> input_ = std::vector<char>(kEnd.size() + kReadBytes);
  std::string answers_;
  std::vector<std::string> rests_;  // by descriptor: what may be the beginning of kEnd
};

void Loop::accept_all() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ++counts.syscalls;
    if (fd < 0) return;
    if (static_cast<size_t>(fd) >= rests_.size()) rests_.resize(static_cast<size_t>(fd) * 2);
    rests_[static_cast<size_t>(fd)].clear();
    add(fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
  }
}

// How many requests end in these bytes.
size_t Loop::take(std::string_view bytes, std::string& rest) {
  size_t count = 0;
  for (size_t at; (at = bytes.find(kEnd)) != std::string_view::npos; ++count) {
    bytes.remove_prefix(at + kEnd.size());
  }
  rest = bytes.substr(bytes.size() - std::min(bytes.size(), kEnd.size() - 1));
  return count;
}

bool Loop::answer(int fd, size_t count) {
  while (answers_.size() < count * kAnswer.size()) answers_ += kAnswer;
  for (size_t gone = 0; gone < count * kAnswer.size();) {
    ++counts.syscalls;
    const ssize_t n = send(fd, answers_.data() + gone, count * kAnswer.size() - gone, 0);
    if (n <= 0) return false;
    gone += static_cast<size_t>(n);
  }
  return true;
}

void Loop::serve(int fd) {
  std::string& rest = rests_[static_cast<size_t>(fd)];
  for (;;) {
    std::copy(rest.begin(), rest.end(), input_.begin());
    ++counts.syscalls;
    const ssize_t n = recv(fd, input_.data() + rest.size(), kReadBytes, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    const size_t requests =
        n <= 0 ? 0 : take({input_.data(), rest.size() + static_cast<size_t>(n)}, rest);
    if (n <= 0 || !answer(fd, requests)) {
      close(fd);
      return;
    }
    counts.receives += requests;
    counts.bytes += static_cast<size_t>(n);
    if (static_cast<size_t>(n) < kReadBytes) return;
  }
}

void Loop::run() {
  epoll_event events[512];
  floor_loop::announce();
  while (!floor_loop::stopped) {
    const int n = epoll_wait(epoll_, events, 512, -1);
    ++counts.syscalls;
    for (int i = 0; i < n; ++i) {
      events[i].data.fd == listener_ ? accept_all() : serve(events[i].data.fd);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint16_t port = floor_loop::parse_arguments(argc, argv, {});
  floor_loop::prepare_process();
  Loop loop(floor_loop::listen_on_loopback(port));
  loop.run();
  floor_loop::print(loop.counts);
}
