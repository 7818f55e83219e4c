// Zero-copy sends to another host, over a network that takes its time: the bytes stay as they are
// until the peer has acknowledged them, whatever becomes of the stream. Loopback copies, so the
// hosts are a simulated world's.
#include <eddy/net/connector.h>
#include <eddy/net/server.h>
#include <eddy/sim/world.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "support/configurations.h"
#include "support/pattern.h"
#include "support/stream_test.h"

namespace eddy::test {
namespace {

using sim::Fault;

class ZeroCopy : public testing::TestWithParam<Configuration> {
 protected:
  static constexpr size_t kBytes = 20'000;

  ZeroCopy() {
    ReactorOptions options = GetParam().options;
    far_.emplace(there_, options);
    options.zero_copy_bytes = 10'000;
    near_.emplace(here_, options);
    server_.emplace(*far_, received_.options());
    const auto listening = server_->listen("10.0.0.2:7000");
    EXPECT_TRUE(listening) << listening.error().message();
    connector_.emplace(*near_, told_.options());
    stream_ = *connector_->connect("10.0.0.2:7000");
    EXPECT_TRUE(world_.run_until([&] { return received_.count("open") == 1; }));
  }
  ~ZeroCopy() override {
    near_.reset();
    server_.reset();
    EXPECT_EQ(world_.violation(), "");
  }

  void send() {
    stream_.send(Slice(&owner_, bytes_.data(), bytes_.size()),
                 [this](std::error_code code) { told_.note(code ? "failed" : "done"); });
  }
  bool is_held() const { return owner_.references != 0; }
  uint64_t sends_in_place() { return near_->stats().counters.zero_copy_sends; }
  // A send is taken, and its bytes are still with us.
  void send_and_hold() {
    send();
    ASSERT_TRUE(world_.run_until([&] { return told_.count("done") == 1; }));
    ASSERT_EQ(stream_.queued_bytes(), 0U);
    ASSERT_TRUE(is_held());
  }
  void expect_all_arrives() {
    EXPECT_TRUE(world_.run_until([&] { return received_.data.size() == kBytes; }));
    EXPECT_TRUE(is_pattern(received_.data, 0));
  }
  void pull_the_cable() { world_.partition(here_, there_); }
  bool is_epoll() { return near_->backend().kind == BackendKind::kEpoll; }

  sim::World world_{1};
  sim::Host here_ = world_.host("10.0.0.1");
  sim::Host there_ = world_.host("10.0.0.2");
  const std::string bytes_ = pattern(kBytes);
  SliceOwner owner_{.references = 0, .release = [](SliceOwner*) {}};
  Journal told_;      // by the stream that sends
  Journal received_;  // … and by the one that receives
  std::optional<Reactor> far_;
  std::optional<Reactor> near_;
  std::optional<Server> server_;
  std::optional<Connector> connector_;
  Stream stream_;
};

TEST_P(ZeroCopy, TheBytesAreHeldUntilTheyAreAcknowledged) {
  send_and_hold();
  EXPECT_TRUE(world_.run_until([&] { return !is_held(); }));
  expect_all_arrives();
  EXPECT_EQ(sends_in_place(), 1U);
  EXPECT_EQ(told_.events, (Events{"open", "done"}));  // a notification is not an error
}

TEST_P(ZeroCopy, SmallSendsAreOrdinary) {
  stream_.send(std::string_view(bytes_).substr(0, 9'999));
  EXPECT_TRUE(world_.run_until([&] { return received_.data.size() == 9'999; }));
  EXPECT_EQ(sends_in_place(), 0U);
}

TEST_P(ZeroCopy, ManyInARow) {
  for (int i = 0; i < 100; ++i) {
    send();
    world_.run_for(50us);
  }
  EXPECT_TRUE(world_.run_until([&] { return received_.data.size() == 100 * kBytes; }));
  EXPECT_TRUE(world_.run_until([&] { return !is_held(); }));
  EXPECT_GE(sends_in_place(), 5U);
}

TEST_P(ZeroCopy, IsVainWhereTheKernelCopies) {
  world_.faults().set(Fault::kZeroCopyCopied, 65'535);
  send();
  EXPECT_TRUE(world_.run_until([&] { return received_.data.size() == kBytes && !is_held(); }));
  world_.faults().clear();
  const uint64_t in_place = sends_in_place();
  EXPECT_GE(in_place, 1U);
  send();
  EXPECT_TRUE(world_.run_until([&] { return received_.data.size() == 2 * kBytes; }));
  EXPECT_EQ(sends_in_place(), in_place);
}

TEST_P(ZeroCopy, NotificationsMayBeLateAndOutOfOrder) {
  world_.faults().set(Fault::kZeroCopyLate, 32'768);
  for (int i = 0; i < 20; ++i) {
    send();
    world_.run_for(1ms);
  }
  EXPECT_TRUE(world_.run_until([&] { return received_.data.size() == 20 * kBytes; }));
  EXPECT_TRUE(is_held());
  EXPECT_TRUE(world_.run_until([&] { return !is_held(); }));
}

TEST_P(ZeroCopy, ACloseWaitsForNoNotificationAndLosesNothing) {
  send_and_hold();
  stream_.close();
  EXPECT_TRUE(world_.run_until([&] { return told_.closed(); }));
  EXPECT_FALSE(told_.code);
  expect_all_arrives();
  EXPECT_TRUE(world_.run_until([&] { return received_.count("end") == 1 && !is_held(); }));
}

TEST_P(ZeroCopy, AResetIsToldThePeerAtOnce) {
  send_and_hold();
  stream_.reset();
  EXPECT_TRUE(world_.run_until([&] { return told_.closed() && received_.closed(); }));
  EXPECT_EQ(received_.code, std::errc::connection_reset);
  EXPECT_TRUE(world_.run_until([&] { return !is_held(); }));
}

TEST_P(ZeroCopy, TheConnectionBreaks) {
  pull_the_cable();
  send_and_hold();
  EXPECT_TRUE(world_.reset(stream_));
  EXPECT_TRUE(world_.run_until([&] { return told_.closed() && !is_held(); }));
  EXPECT_EQ(told_.code, std::errc::connection_reset);
}

// A descriptor that eddy has released may come back to it. Whose sends the numbers count is not
// known then.
TEST_P(ZeroCopy, AnAdoptedOneThatHasSentInPlaceIsSentToAsUsual) {
  send_and_hold();
  int released = -1;
  stream_.release([&](int fd) { released = fd; });
  EXPECT_TRUE(world_.run_until([&] { return released >= 0 && !is_held(); }));
  const uint64_t in_place = sends_in_place();
  stream_ = *adopt(*near_, released, told_.options());
  send();
  EXPECT_TRUE(world_.run_until([&] { return received_.data.size() == 2 * kBytes && !is_held(); }));
  EXPECT_EQ(sends_in_place(), in_place + (is_epoll() ? 0 : 1));
}

EDDY_ON_EVERY_SIMULATED_CONFIGURATION(ZeroCopy);

// On epoll alone: the model of io_uring lets go by the time that has passed.
class ZeroCopyUnacknowledged : public ZeroCopy {};

TEST_P(ZeroCopyUnacknowledged, ACloseWhileNobodyAcknowledges) {
  const int open_at_first = here_.open_descriptors();
  pull_the_cable();
  send_and_hold();
  stream_.close();
  EXPECT_TRUE(world_.run_until([&] { return told_.closed(); }));
  world_.run_for(10s);
  EXPECT_TRUE(is_held());
  world_.heal();
  expect_all_arrives();
  EXPECT_TRUE(world_.run_until([&] { return received_.count("end") == 1 && !is_held(); }));
  EXPECT_TRUE(world_.run_until([&] { return here_.open_descriptors() == open_at_first - 1; }));
}

// What is released may still be on its way.
TEST_P(ZeroCopyUnacknowledged, ADescriptorIsReleasedAtOnce) {
  pull_the_cable();
  send_and_hold();
  int released = -1;
  stream_.release([&](int fd) { released = fd; });
  EXPECT_TRUE(world_.run_until([&] { return released >= 0; }));
  world_.run_for(1s);
  EXPECT_TRUE(is_held());
  world_.heal();
  expect_all_arrives();
  EXPECT_TRUE(world_.run_until([&] { return !is_held(); }));
  EXPECT_EQ(received_.count("end"), 0U);
  here_.kernel().close(released);
  EXPECT_TRUE(world_.run_until([&] { return received_.count("end") == 1; }));
}

// What nobody ever acknowledges is left to the kernel, and never to anybody else.
TEST_P(ZeroCopyUnacknowledged, AReactorEndsWithoutThePeer) {
  pull_the_cable();
  send_and_hold();
  stream_.close();
  EXPECT_TRUE(world_.run_until([&] { return told_.closed(); }));
  const TimePoint began = world_.now();
  connector_.reset();
  near_.reset();
  EXPECT_LT(world_.now() - began, 2s);
  EXPECT_EQ(here_.open_descriptors(), 0);
  EXPECT_TRUE(is_held());
}

std::vector<Configuration> simulated_epoll() {
  std::vector<Configuration> found = simulated_configurations();
  std::erase_if(found, [](const auto& c) { return c.options.backend != BackendKind::kEpoll; });
  return found;
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ZeroCopyUnacknowledged);
EDDY_ON_CONFIGURATIONS(ZeroCopyUnacknowledged, simulated_epoll());

// Linux itself, whose loopback always copies: one attempt, and no more.
class ZeroCopyOnLoopback : public StreamTest {
 protected:
  ZeroCopyOnLoopback() { reactor_options.zero_copy_bytes = 1; }
};

TEST_P(ZeroCopyOnLoopback, IsTriedOnce) {
  serve_one(echo_options());
  PatternExchange first(peer, 1);
  ASSERT_TRUE(run_until([&] { return first.step(); }));
  run_turns();
  PatternExchange rest(peer, 4 << 20);
  ASSERT_TRUE(run_until([&] { return rest.step(); }));
  EXPECT_TRUE(rest.complete());
  EXPECT_EQ(counters().zero_copy_sends, 1U);
}

EDDY_ON_EVERY_REAL_CONFIGURATION(ZeroCopyOnLoopback);

}  // namespace
}  // namespace eddy::test
