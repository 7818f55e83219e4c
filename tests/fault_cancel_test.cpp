// Cancellations on io_uring that lose their race, or complete after what they cancelled; and
// connecting that ends twice.
#include <eddy/net/connector.h>

#include <vector>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

// A peer that a Connector connects to.
class TestListener {
  const Descriptor socket_ = bound_socket();

 public:
  TestListener() {
    plain_kernel().set_status_flags(socket_.get(), O_NONBLOCK);
    EXPECT_EQ(plain_kernel().listen(socket_.get(), 16), 0);
  }
  Peer accept() {
    return Peer(plain_kernel().accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

  const Address bound = address_of(socket_.get());
};

class FaultCancel : public FaultTest {
 protected:
  // Pauses and goes on again, in any rhythm, without losing or swapping a byte.
  void expect_bytes_across_pauses() {
    serve_one(journal.options());
    uint64_t sent = 0;
    for (int i = 0; i < 60; ++i) {
      sent += peer.send(pattern(700, sent));
      stream.pause();
      run_turns(i % 3);
      const size_t told = journal.data.size();
      run_turns(i % 2);
      EXPECT_EQ(journal.data.size(), told);
      stream.resume();
      run_turns(i % 5);
    }
    EXPECT_TRUE(run_until([&] { return journal.data.size() == sent; }));
    EXPECT_TRUE(is_pattern(journal.data, 0));
  }
  // Closes in the middle of everything.
  void expect_clean_ends() {
    const Address address = serve(echo_options());
    for (int i = 0; i < 30; ++i) {
      Peer client = Peer::connect_to(address);
      run_turns(2 + i % 3);
      client.send(pattern(10'000));
      run_turns(i % 4);
      server->for_each([&](Stream& open) { i % 2 == 0 ? open.close() : open.reset(); });
      run_turns(i % 3);
      EXPECT_TRUE(run_until([&] { return client.has_ended() || client.has_failed(); })) << i;
    }
  }
};

TEST_P(FaultCancel, LosesWhilePausing) {
  plan().lose_cancel(kEveryTime);
  expect_bytes_across_pauses();
}
TEST_P(FaultCancel, CompletesAfterItsTargetWhilePausing) {
  plan().delay(UringOperation::kCancel, 3, kEveryTime);
  expect_bytes_across_pauses();
}
TEST_P(FaultCancel, CompletesBeforeItsTargetWhilePausing) {
  plan().delay(UringOperation::kReceive, 3, kEveryTime);
  expect_bytes_across_pauses();
}
TEST_P(FaultCancel, LosesWhileClosing) {
  plan().lose_cancel(kEveryTime);
  expect_clean_ends();
}
TEST_P(FaultCancel, CompletesAfterItsTargetWhileClosing) {
  plan().delay(UringOperation::kCancel, 3, kEveryTime);
  expect_clean_ends();
}
TEST_P(FaultCancel, CompletesBeforeItsTargetWhileClosing) {
  plan().delay(UringOperation::kReceive, 3, kEveryTime);
  plan().delay(UringOperation::kSend, 2, kEveryTime);
  expect_clean_ends();
}

// The second pause finds the first one's cancellation still under way.
TEST_P(FaultCancel, AListenerPausedTwiceStaysPaused) {
  plan().delay(UringOperation::kCancel, 6, kEveryTime);
  std::vector<Descriptor> accepted;
  Listener listener(reactor(), [&](int fd) { accepted.emplace_back(fd); });
  ASSERT_TRUE(listener.listen("127.0.0.1:0"));
  run_turns(2);
  listener.pause();
  run_turns(1);
  listener.resume();
  run_turns(1);
  listener.pause();
  run_turns();
  peer = Peer::connect_to(listener.local_address().value_or(Address()));
  run_turns();
  EXPECT_TRUE(accepted.empty());
  listener.resume();
  EXPECT_TRUE(run_until([&] { return accepted.size() == 1; }));
}

TEST_P(FaultCancel, AWatchWhoseInterestChangesTwiceHasTheLast) {
  plan().delay(UringOperation::kCancel, 6, kEveryTime);
  const Descriptor full(plain_kernel().eventfd());  // can be written, not read
  Interest told = Interest::kNone;
  auto watch =
      reactor().watch(full.get(), Interest::kReadable, [&](Interest ready) { told = ready; });
  ASSERT_TRUE(watch);
  run_turns(2);
  watch->set_interest(Interest::kPriority);
  run_turns(1);
  watch->set_interest(Interest::kWritable);
  EXPECT_TRUE(run_until([&] { return told == Interest::kWritable; }, 2s));
  watch->close();
}
// The descriptor is the user's again at once, whatever is under way.
TEST_P(FaultCancel, AWatchClosedRightBeforeItsDescriptor) {
  for (int i = 0; i < 10; ++i) {
    Descriptor own(plain_kernel().eventfd());
    auto watch = reactor().watch(own.get(), Interest::kReadable, [](Interest) {});
    ASSERT_TRUE(watch);
    run_turns(i % 3);
    watch->close();
    own.reset();
    // The number's next owner is not hit.
    const Descriptor next(plain_kernel().eventfd());
    bool told = false;
    auto other = reactor().watch(next.get(), Interest::kReadable, [&](Interest) { told = true; });
    ASSERT_TRUE(other);
    run_turns();
    EXPECT_EQ(reactor().stats().slots, 2U);
    plain_kernel().write_eventfd(next.get());
    EXPECT_TRUE(run_until([&] { return told; }, 2s));
    other->close();
    run_turns();
  }
}
EDDY_ON_EVERY_CONFIGURATION(FaultCancel);

class FaultConnect : public FaultTest {
 protected:
  void connect(const ConnectOptions& connect_options = {}) {
    Connector connector(reactor(), journal.options(), connect_options);
    auto made = connector.connect(listener_->bound);
    ASSERT_TRUE(made);
    made_ = *made;
  }
  void TearDown() override {
    if (made_.is_open()) made_.close();
    listener_.reset();
    FaultTest::TearDown();
  }
  std::optional<TestListener> listener_{std::in_place};
  Stream made_;
};

TEST_P(FaultConnect, InterruptedGoesOn) {
  plan().fail(SystemCall::kConnect, EINTR);
  connect();
  EXPECT_TRUE(run_until([&] { return !journal.events.empty(); }));
  EXPECT_EQ(journal.events, Events{"open"});
  listener_->accept().close();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
}

// The connection stands when its time is up, and nobody has been told yet: it is closed, and the
// time-out is what is told.
TEST_P(FaultConnect, TimeoutRacesSuccess) {
  plan().fail(SystemCall::kEpollWait, EINTR);
  plan().delay(UringOperation::kConnect, 5, kEveryTime);
  connect({.timeout = 1s});
  if (!is_epoll()) run_turns(1);
  faulty().advance(2s);
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  run_turns();
  EXPECT_EQ(journal.events, Events{"close"});
  EXPECT_EQ(journal.code, make_error_code(Errc::kTimedOut));
  Peer accepted = listener_->accept();
  EXPECT_TRUE(run_until([&] { return accepted.has_ended() || accepted.has_failed(); }));
}

// In the same turn the success is told first, and the time-out is void.
TEST_P(FaultConnect, SuccessRacesTimeout) {
  connect({.timeout = 1s});
  faulty().advance(2s);
  EXPECT_TRUE(run_until([&] { return !journal.events.empty(); }));
  run_turns();
  EXPECT_EQ(journal.events, Events{"open"});
  EXPECT_TRUE(listener_->accept().is_open());
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
}

TEST_P(FaultConnect, EachFailureIsItsOwn) {
  for (const int error :
       {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EACCES}) {
    journal = {};
    plan().fail(SystemCall::kConnect, error);
    plan().fail(UringOperation::kConnect, error);
    connect();
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
    EXPECT_EQ(journal.events, Events{"close"});
    EXPECT_EQ(journal.code, errno_code(error));
    faulty().plan().clear();
  }
}

TEST_P(FaultConnect, WithoutASocketItFailsAtOnce) {
  plan().fail(SystemCall::kSocket, EMFILE);
  Connector connector(reactor(), journal.options());
  const auto failed = connector.connect(listener_->bound);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), std::errc::too_many_files_open);
  EXPECT_STREQ(failed.error().call(), "socket");
  run_turns();
  EXPECT_TRUE(journal.events.empty());
}

TEST_P(FaultConnect, WithoutAPlaceInEpollOneConnectionFails) {
  plan().fail(SystemCall::kEpollCtl, ENOSPC);
  connect();
  EXPECT_TRUE(run_until([&] { return !journal.events.empty(); }));
  EXPECT_EQ(journal.events, Events{is_epoll() ? "close" : "open"});
  EXPECT_EQ(journal.code, is_epoll() ? errno_code(ENOSPC) : std::error_code());
}
EDDY_ON_EVERY_CONFIGURATION(FaultConnect);

}  // namespace
}  // namespace eddy::test
