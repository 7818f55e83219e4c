// What only the simulated io_uring can be made to do: its limits, its faults, its virtual time, and
// the violations that it finds. What it has in common with Linux's is in kernel_contract_uring_*.
#include <eddy/core/uring_probe.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/world.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "support/uring_contract.h"

namespace eddy::test {
namespace {

using sim::Fault;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kSecondNs = 1'000'000'000;

class SimUring : public ::testing::Test {
 protected:
  SimUring() { open_ring(16, 32); }
  ~SimUring() override {
    ring_.reset();
    EXPECT_EQ(world_.violation().empty(), !violates_) << world_.violation();
  }

  void open_ring(unsigned entries, unsigned completion_entries, uint32_t min_wait_us = 0,
                 unsigned min_wait_count = 1) {
    ring_.emplace(kernel_, UringQueue::Options{.entries = entries,
                                               .completion_entries = completion_entries,
                                               .min_wait_us = min_wait_us,
                                               .min_wait_count = min_wait_count});
  }
  void strike(sim::Fault fault) { world_.faults().set(fault, sim::Tape::kCertain); }
  uint64_t struck(sim::Fault fault) { return world_.faults().counts()[static_cast<size_t>(fault)]; }

  template <typename Prepare>
  io_uring_sqe& start(uint64_t user_data, Prepare&& prepare) {
    return ring_->start(user_data, std::forward<Prepare>(prepare));
  }
  std::vector<Completed> take() { return ring_->take(); }
  std::vector<Completed> turn(int64_t timeout_ns = 0) { return ring_->turn(timeout_ns); }
  UringQueue& queue() { return ring_->queue(); }

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

  sim::World world_{1};
  sim::Host host_ = world_.host("10.0.0.1");
  sim::HostKernel& kernel_ = static_cast<sim::HostKernel&>(host_.kernel());
  std::optional<TestedUring> ring_;
  bool violates_ = false;  // the test does what no correct program does
};

// --- The ring

TEST_F(SimUring, ProbeFindsWhatTheHostOffers) {
  auto all = probe_uring(kernel_);
  ASSERT_TRUE(all.has_value()) << all.error().message();
  EXPECT_TRUE(all->incremental_buffers);
  EXPECT_TRUE(all->receive_limit);
  EXPECT_TRUE(all->min_wait);
  host_.set_uring_limits({.incremental_buffers = false,
                          .receive_limit = false,
                          .min_wait = false,
                          .no_submission_array = false,
                          .registered_rings = false,
                          .direct_descriptors = false});
  auto none = probe_uring(kernel_);
  ASSERT_TRUE(none.has_value()) << none.error().message();
  EXPECT_FALSE(none->incremental_buffers);
  EXPECT_FALSE(none->receive_limit);
  EXPECT_FALSE(none->min_wait);
}

TEST_F(SimUring, TheHostLimitsTheQueues) {
  host_.set_uring_limits({.most_entries = 1, .most_completion_entries = 2});
  io_uring_params parameters = {};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP;
  const int fd = kernel_.uring_setup(64, &parameters);
  EXPECT_GE(fd, 0);
  EXPECT_EQ(parameters.sq_entries, 1u);
  EXPECT_EQ(parameters.cq_entries, 2u);
  kernel_.close(fd);
  parameters.flags &= ~IORING_SETUP_CLAMP;
  EXPECT_EQ(kernel_.uring_setup(64, &parameters), -EINVAL);
  EXPECT_EQ(kernel_.uring_setup(0, &parameters), -EINVAL);
}

TEST_F(SimUring, ForbiddenSetUp) {
  strike(Fault::kUringForbidden);
  io_uring_params parameters = {};
  EXPECT_THAT(kernel_.uring_setup(8, &parameters), testing::AnyOf(-EPERM, -ENOSYS));
}

TEST_F(SimUring, WaitsInVirtualTime) {
  const int64_t began = kernel_.monotonic_ns();
  EXPECT_THAT(turn(5 * kSecondNs), IsEmpty());
  EXPECT_EQ(kernel_.monotonic_ns(), began + 5 * kSecondNs);
}

TEST_F(SimUring, AMinimumWaitGathers) {
  open_ring(8, 8, 1000, 2);
  const auto [ours, theirs] = pair();
  char bytes[8];
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  world_.simulation().after(100'000, [this, fd = theirs] { send(fd, "x"); });
  const int64_t began = kernel_.monotonic_ns();
  EXPECT_THAT(turn(kSecondNs), ElementsAre(Completed{1, 1, 0}));
  EXPECT_EQ(kernel_.monotonic_ns(), began + 1'000'000);
}

TEST_F(SimUring, AWaitThatNothingCanEndIsADeadlock) { EXPECT_EQ(queue().enter(-1), -EDEADLK); }

TEST_F(SimUring, EnterTakesAPartOrNothing) {
  strike(Fault::kSubmissionsSplit);
  for (uint64_t i = 0; i < 8; ++i) start(i, [](auto* entry) { io_uring_prep_nop(entry); });
  EXPECT_GE(queue().enter(0), 0);
  EXPECT_NE(queue().unsubmitted(), 0u);
  EXPECT_LT(queue().unsubmitted(), 8u);
  world_.faults().clear();
  EXPECT_EQ(turn().size(), 8u);
  strike(Fault::kEnterBusy);
  start(9, [](auto* entry) { io_uring_prep_nop(entry); });
  EXPECT_THAT(turn(), IsEmpty());
  EXPECT_EQ(queue().unsubmitted(), 1u);
  world_.faults().clear();
  EXPECT_EQ(turn().size(), 1u);
}

TEST_F(SimUring, AnInterruptedWaitReturns) {
  strike(Fault::kInterrupted);
  EXPECT_THAT(turn(-1), IsEmpty());
  EXPECT_EQ(struck(Fault::kInterrupted), 1u);
}

// --- Receiving

TEST_F(SimUring, WholeBuffersWhereTheHostKnowsNoIncrement) {
  host_.set_uring_limits({.incremental_buffers = false});
  open_ring(8, 8);
  TestedBuffers refused(queue(), 4, 8, true);
  EXPECT_EQ(refused.error(), -EINVAL);
  TestedBuffers buffers(queue(), 4, 8, false);
  ASSERT_EQ(buffers.error(), 0);
  buffers.provide(0);
  buffers.provide(1);
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  send(theirs, "a");
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 1, in_buffer(0) | kMore}));
  send(theirs, "b");
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 1, in_buffer(1) | kMore}));
}

TEST_F(SimUring, AMultishotReceiveEndsForNoReason) {
  TestedBuffers buffers(queue(), 4, 8, true);
  buffers.provide(0);
  const auto [ours, theirs] = pair();
  strike(Fault::kMultishotEnds);
  start(1, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  send(theirs, "y");
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 1, in_buffer(0) | kPartOfBuffer}));
}

TEST_F(SimUring, ABufferProvidedTwiceIsAViolation) {
  TestedBuffers buffers(queue(), 4, 8, false);
  buffers.provide(2);
  buffers.provide(2);
  const auto [ours, theirs] = pair();
  start(1, [fd = ours](auto* entry) { prepare_multishot(entry, fd); });
  turn();
  EXPECT_THAT(world_.violation(), HasSubstr("buffer 2"));
  ring_.reset();
  kernel_.close(ours);
  violates_ = true;
}

TEST_F(SimUring, LateAndReorderedCompletions) {
  strike(Fault::kCompletionLate);
  const auto [ours, theirs] = pair();
  char bytes[8];
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  turn();
  send(theirs, "x");
  EXPECT_THAT(turn(), IsEmpty());
  EXPECT_THAT(turn(kSecondNs), ElementsAre(Completed{1, 1, 0}));
  world_.faults().clear();
  strike(Fault::kCompletionsReordered);
  std::vector<uint64_t> order;
  char more[10][8];
  std::vector<int> writers;
  for (uint64_t i = 0; i < 10; ++i) {
    const auto [mine, other] = pair();
    start(i, [&](auto* entry) { io_uring_prep_recv(entry, mine, more[i], 8, 0); });
    writers.push_back(other);
  }
  turn();
  for (const int fd : writers) send(fd, "x");
  for (const Completed& completed : turn()) order.push_back(completed.user_data);
  EXPECT_EQ(order.size(), 10u);
  EXPECT_FALSE(std::ranges::is_sorted(order));
}

// --- Sending

TEST_F(SimUring, ANotificationMayBeLateAndTellOfACopy) {
  const auto [client, server] = tcp_pair();
  const auto send_in_place = [&, fd = client](uint64_t name) {
    start(name, [&](auto* entry) {
      io_uring_prep_send(entry, fd, "eddy", 4, MSG_WAITALL);
      entry->opcode = uring::kOperationSendZeroCopy;
      entry->ioprio = uring::kZeroCopyReportsUse;
    });
    EXPECT_THAT(turn(), ElementsAre(Completed{name, 4, kMore}));
    return turn(kSecondNs);
  };
  EXPECT_THAT(send_in_place(1), ElementsAre(Completed{1, 0, uring::kCompletionNotification}));
  strike(Fault::kZeroCopyCopied);
  strike(Fault::kZeroCopyLate);
  const int64_t began = kernel_.monotonic_ns();
  EXPECT_THAT(send_in_place(2),
              ElementsAre(Completed{2, static_cast<int>(uring::kNotificationCopied),
                                    uring::kCompletionNotification}));
  EXPECT_GT(kernel_.monotonic_ns(), began + 10'000'000);
}

TEST_F(SimUring, BytesOfAZeroCopySendMustStay) {
  const auto [client, server] = tcp_pair();
  char bytes[] = "eddy";
  start(1, [&, fd = client](auto* entry) {
    io_uring_prep_send(entry, fd, bytes, 4, MSG_WAITALL);
    entry->opcode = uring::kOperationSendZeroCopy;
  });
  turn();
  bytes[0] = 'E';
  turn(kSecondNs);
  EXPECT_THAT(world_.violation(), HasSubstr("zero-copy"));
  violates_ = true;
}

// --- Cancelling

TEST_F(SimUring, ACancellationMayBeToldAfterItsTarget) {
  strike(Fault::kCancelOrder);
  const auto [ours, theirs] = pair();
  char bytes[8];
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  EXPECT_THAT(turn(), ElementsAre(Completed{1, -ECANCELED, 0}, Completed{2, 0, 0}));
}

TEST_F(SimUring, ACancellationMayLose) {
  const auto [ours, theirs] = pair();
  char bytes[8] = {};
  start(1, [&](auto* entry) { io_uring_prep_recv(entry, ours, bytes, sizeof bytes, 0); });
  turn();
  send(theirs, "won");
  strike(Fault::kCancelLost);
  start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 3, 0}, Completed{2, -ENOENT, 0}));
  EXPECT_STREQ(bytes, "won");
}

// What is over but for its notification is over.
TEST_F(SimUring, AZeroCopySendThatWinsOverItsCancellationIsToldOnce) {
  const auto [client, server] = tcp_pair();
  std::string bytes(1 << 20, 'x');
  while (kernel_.send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) continue;
  start(1, [&, fd = client](auto* entry) {
    io_uring_prep_send(entry, fd, "eddy", 4, MSG_WAITALL);
    entry->opcode = uring::kOperationSendZeroCopy;
  });
  EXPECT_THAT(turn(), IsEmpty());
  world_.run_for(std::chrono::seconds(1));
  while (kernel_.recv(server, bytes.data(), bytes.size(), 0) > 0) continue;
  world_.run_for(std::chrono::seconds(1));
  strike(Fault::kCancelLost);
  start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  EXPECT_THAT(turn(), ElementsAre(Completed{1, 4, kMore}, Completed{2, -ENOENT, 0}));
  EXPECT_THAT(turn(kSecondNs), ElementsAre(Completed{1, 0, uring::kCompletionNotification}));
}

TEST_F(SimUring, AnAcceptedDescriptorMayComeJustBeforeTheCancellation) {
  const int listening = listener(7000);
  start(1, [&](auto* entry) {
    io_uring_prep_multishot_accept(entry, listening, nullptr, nullptr, 0);
  });
  turn();
  const int client = connect_to(7000);
  world_.run_for(std::chrono::seconds(1));
  strike(Fault::kCancelLost);
  start(2, [](auto* entry) { io_uring_prep_cancel64(entry, 1, 0); });
  const auto completed = turn();
  ASSERT_EQ(completed.size(), 3u);
  EXPECT_GT(completed[0].result, client);
  EXPECT_EQ(completed[0].flags, kMore);
  EXPECT_EQ(completed[1], (Completed{2, 0, 0}));
  EXPECT_EQ(completed[2], (Completed{1, -ECANCELED, 0}));
}

// --- The end

TEST_F(SimUring, ARingMustNotEndWithASendUnderWay) {
  const auto [ours, theirs] = pair();
  const std::string large(4 << 20, 'x');
  start(1, [&](auto* entry) {
    io_uring_prep_send(entry, ours, large.data(), large.size(), MSG_WAITALL);
  });
  turn();
  ring_.reset();
  EXPECT_THAT(world_.violation(), HasSubstr("under way"));
  violates_ = true;
}

TEST_F(SimUring, AKilledProcessMayLookAtItsRings) {
  const auto [ours, theirs] = pair();
  const std::string large(4 << 20, 'x');
  start(1, [&](auto* entry) {
    io_uring_prep_send(entry, ours, large.data(), large.size(), MSG_WAITALL);
  });
  turn();
  host_.kill();
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(queue().enter(0), -ESRCH);
}

}  // namespace
}  // namespace eddy::test
