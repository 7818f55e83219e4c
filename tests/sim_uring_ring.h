// A ring on a simulated host, for the tests of io_uring's simulation.
#pragma once

#include <eddy/core/uring_queue.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/uring.h>
#include <eddy/sim/world.h>
#include <gtest/gtest.h>
#include <string.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eddy::test {

struct Completed {
  uint64_t user_data;
  int result;
  uint32_t flags;
  bool operator==(const Completed&) const = default;
};
inline void PrintTo(const Completed& completed, std::ostream* out) {  // NOLINT: GoogleTest's name
  *out << "{" << completed.user_data << ", " << completed.result << ", " << completed.flags << "}";
}

class SimUring : public ::testing::Test {
 protected:
  SimUring() { open_ring(16, 32); }
  ~SimUring() override {
    queue_.reset();
    EXPECT_EQ(world_.violation().empty(), !violates_) << world_.violation();
  }

  void open_ring(unsigned entries, unsigned completion_entries, uint32_t min_wait_us = 0,
                 unsigned min_wait_count = 1) {
    auto opened = UringQueue::open(kernel_, {.entries = entries,
                                             .completion_entries = completion_entries,
                                             .min_wait_us = min_wait_us,
                                             .min_wait_count = min_wait_count});
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    queue_ = std::move(*opened);
  }
  void strike(sim::Fault fault) { world_.faults().set(fault, sim::Tape::kCertain); }
  uint64_t struck(sim::Fault fault) { return world_.faults().counts()[static_cast<size_t>(fault)]; }

  // io_uring_prep_… clears the entry, so its name comes after.
  template <typename Prepare>
  io_uring_sqe& start(uint64_t user_data, Prepare&& prepare) {
    io_uring_sqe& entry = queue_->next_entry();
    prepare(&entry);
    entry.user_data = user_data;
    return entry;
  }
  std::vector<Completed> take() {
    std::vector<Completed> taken;
    UringQueue::Completion completion;
    while (queue_->take(completion)) {
      taken.push_back({completion.user_data, completion.result, completion.flags});
    }
    return taken;
  }
  // What comes within so long, or at once.
  std::vector<Completed> turn(int64_t timeout_ns = 0) {
    EXPECT_GE(queue_->enter(timeout_ns), 0);
    return take();
  }

  // Two connected sockets of the host's.
  std::pair<int, int> pair() {
    int descriptors[2] = {-1, -1};
    EXPECT_EQ(kernel_.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, descriptors), 0);
    return {descriptors[0], descriptors[1]};
  }
  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  int listener(uint16_t port) {
    const int fd = kernel_.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const sockaddr_in address = loopback(port);
    EXPECT_EQ(kernel_.bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(kernel_.listen(fd, 8), 0);
    return fd;
  }
  // The client's side and the server's.
  std::pair<int, int> tcp_pair() {
    const int listening = listener(7000);
    const int client = connect_to(7000);
    int server = -EAGAIN;
    world_.run_until([&] {
      server = kernel_.accept4(listening, nullptr, nullptr, SOCK_NONBLOCK);
      return server >= 0;
    });
    kernel_.close(listening);
    return {client, server};
  }
  int connect_to(uint16_t port) {
    const int fd = kernel_.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const sockaddr_in address = loopback(port);
    kernel_.connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    return fd;
  }
  void send(int fd, std::string_view bytes) {
    EXPECT_EQ(kernel_.send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string receive(int fd) {
    std::string bytes(1 << 20, '\0');
    const ssize_t count = kernel_.recv(fd, bytes.data(), bytes.size(), 0);
    bytes.resize(count < 0 ? 0 : static_cast<size_t>(count));
    return bytes;
  }

  sim::World world_{1};
  sim::Host host_ = world_.host("10.0.0.1");
  sim::HostKernel& kernel_ = static_cast<sim::HostKernel&>(host_.kernel());
  std::unique_ptr<UringQueue> queue_;
  bool violates_ = false;  // the test does what no correct program does
};

}  // namespace eddy::test
