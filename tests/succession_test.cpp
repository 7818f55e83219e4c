// The sockets of a server program go over to the one that takes its place.
#include <eddy/net/succession.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "support/service_test.h"

namespace eddy::test {
namespace {

class SuccessionTest : public ServiceTest {
 protected:
  SuccessionTest() { descriptor_of_a_listener_.reset(bound_socket().release()); }

  Succession::Events events() {
    return {.sockets =
                [this] {
                  return std::vector<NamedSocket>(sockets_,
                                                  {"here", descriptor_of_a_listener_.get()});
                },
            .succeeded = [this] { ++succeeded_; },
            .failed = [this](const Error& error) { failed_ = error.code(); }};
  }
  void TearDown() override {
    succession_.reset();
    descriptor_of_a_listener_.reset();
    ServiceTest::TearDown();
  }

  static int control_socket() {
    return plain_kernel().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  }
  // Does this as nobody, if this process may; whether it may. On Linux a thread has a user of its
  // own (setresuid(2), "C library/kernel differences").
  static bool as_other_user(const std::function<void()>& work) {
    constexpr uid_t kNobody = 65534;
    if (machine().is_simulated()) {
      machine().host().set_user(kNobody);
      work();
      machine().host().set_user(0);
      return true;
    }
    bool may = false;
    std::thread other([&] {
      may = geteuid() == 0 && syscall(SYS_setresuid, -1, kNobody, -1) == 0;
      work();
    });
    other.join();
    return may;
  }

  size_t sockets_ = 1;
  Descriptor descriptor_of_a_listener_;
  int succeeded_ = 0;
  std::error_code failed_;
  std::optional<Succession> succession_;
};

TEST_P(SuccessionTest, TheSocketsGoOverAndThenTheControlSocket) {
  sockets_ = 130;  // more than one message has
  const Address address = control();
  succession_.emplace(reactor(), events());
  ASSERT_TRUE(succession_->listen(address));
  while_it_serves([&] {
    auto predecessor = Predecessor::find(plain_kernel(), address);
    ASSERT_TRUE(predecessor) << predecessor.error().message();
    ASSERT_TRUE(predecessor->is_there());
    EXPECT_TRUE(predecessor->take("elsewhere").empty());
    const std::vector<int> sockets = predecessor->take("here");
    EXPECT_EQ(sockets.size(), 130U);
    for (const int socket : sockets) {
      EXPECT_EQ(address_of(socket), address_of(descriptor_of_a_listener_.get()));
      plain_kernel().close(socket);
    }
    EXPECT_EQ(succeeded_, 0);
    Descriptor its_control(predecessor->take_control());
    EXPECT_EQ(address_of(its_control.get()), address);
    predecessor->ready();
    EXPECT_FALSE(predecessor->is_there());
  });
  EXPECT_TRUE(run_until([&] { return succeeded_ == 1; }));
  EXPECT_FALSE(failed_);
}

TEST_P(SuccessionTest, WhereNobodyServesNobodyIsThere) {
  const auto predecessor = Predecessor::find(plain_kernel(), control());
  ASSERT_TRUE(predecessor);
  EXPECT_FALSE(predecessor->is_there());
}

TEST_P(SuccessionTest, ASuccessorThatEndsTooEarlyChangesNothingAndAnotherMayAsk) {
  const Address address = control();
  succession_.emplace(reactor(), events());
  ASSERT_TRUE(succession_->listen(address));
  for (int round = 0; round < 2; ++round) {
    failed_ = {};
    while_it_serves([&] { EXPECT_TRUE(Predecessor::find(plain_kernel(), address)); });
    EXPECT_TRUE(run_until([&] { return bool{failed_}; }));
    EXPECT_EQ(failed_, std::errc::connection_reset);
  }
  while_it_serves([&] { Predecessor::find(plain_kernel(), address)->ready(); });
  EXPECT_TRUE(run_until([&] { return succeeded_ == 1; }));
}

TEST_P(SuccessionTest, ASuccessorThatIsNeverReadyIsGivenUp) {
  const Address address = control();
  succession_.emplace(reactor(), events(), 50ms);
  ASSERT_TRUE(succession_->listen(address));
  std::optional<Predecessor> predecessor;
  while_it_serves([&] { predecessor.emplace(*Predecessor::find(plain_kernel(), address)); });
  EXPECT_TRUE(run_until([&] { return bool{failed_}; }));
  EXPECT_EQ(failed_, Errc::kTimedOut);
  predecessor->ready();  // too late
  run_turns();
  EXPECT_EQ(succeeded_, 0);
  predecessor.reset();
}

TEST_P(SuccessionTest, TwoSuccessorsAtOnceAreOneTooMany) {
  const Address address = control();
  succession_.emplace(reactor(), events());
  ASSERT_TRUE(succession_->listen(address));
  while_it_serves([&] {
    const auto first = Predecessor::find(plain_kernel(), address);
    ASSERT_TRUE(first);
    const auto second = Predecessor::find(plain_kernel(), address);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), std::errc::connection_reset);
  });
  EXPECT_TRUE(run_until([&] { return bool{failed_}; }));  // of the first
}

// Who took the name first may be anybody, if it is an abstract one.
TEST_P(SuccessionTest, AnotherUsersSocketsAreNotTaken) {
  const Address address = control();
  Descriptor listening;
  const bool is_other = as_other_user([&] {
    listening.reset(control_socket());
    ASSERT_EQ(plain_kernel().bind(listening.get(), address.data(), address.size()), 0);
    ASSERT_EQ(plain_kernel().listen(listening.get(), 1), 0);
  });
  const auto found = Predecessor::find(plain_kernel(), address, 1s);
  ASSERT_FALSE(found);
  if (!is_other) return;
  EXPECT_EQ(found.error().message(),
            "succession " + address.to_string() +
                ": Permission denied (it is of user 65534, neither root nor this process's own)");
}

TEST_P(SuccessionTest, AnotherUserIsGivenNoSockets) {
  const Address address = control();
  succession_.emplace(reactor(), events());
  ASSERT_TRUE(succession_->listen(address));
  const Descriptor asking(control_socket());
  const bool is_other = as_other_user(
      [&] { ASSERT_EQ(plain_kernel().connect(asking.get(), address.data(), address.size()), 0); });
  plain_kernel().send(asking.get(), "eddy succession 1", 17, MSG_NOSIGNAL);
  std::array<char, 64> text;
  ssize_t count = 0;
  EXPECT_TRUE(run_until([&] {
    count = plain_kernel().recv(asking.get(), text.data(), text.size(), MSG_DONTWAIT);
    return count != -EAGAIN;
  }));
  EXPECT_EQ(count > 0, !is_other) << count;
}

TEST_P(SuccessionTest, WithoutDescriptorsItWaitsAndDoesNotSpin) {
  const Address address = control();
  succession_.emplace(reactor(), events());
  ASSERT_TRUE(succession_->listen(address));
  fail_accepting(EMFILE, kEveryTime);
  const Descriptor asking(plain_kernel().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  ASSERT_EQ(plain_kernel().connect(asking.get(), address.data(), address.size()), 0);
  const uint64_t turns = counters().turns;
  turns_during(200ms);
  EXPECT_LT(counters().turns - turns, 100U);
  plan().clear();
  EXPECT_EQ(plain_kernel().send(asking.get(), "eddy succession 1", 17, MSG_NOSIGNAL), 17);
  EXPECT_EQ(plain_kernel().send(asking.get(), "ready", 5, MSG_NOSIGNAL), 5);
  EXPECT_TRUE(run_until([&] { return succeeded_ == 1; }));
}

// A process that is stopped, whose backlog is full: connecting to it waits.
class SuccessionOnLinux : public SuccessionTest {};

TEST_P(SuccessionOnLinux, OneThatDoesNotEvenAcceptIsNotWaitedForForEver) {
  const Address address = control();
  const Descriptor stopped(plain_kernel().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  ASSERT_EQ(plain_kernel().bind(stopped.get(), address.data(), address.size()), 0);
  ASSERT_EQ(plain_kernel().listen(stopped.get(), 0), 0);
  const Descriptor waiting(plain_kernel().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  ASSERT_EQ(plain_kernel().connect(waiting.get(), address.data(), address.size()), 0);
  const auto found = Predecessor::find(plain_kernel(), address, 1s);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::kTimedOut);
}

EDDY_ON_EVERY_CONFIGURATION(SuccessionTest);
EDDY_ON_EVERY_REAL_CONFIGURATION(SuccessionOnLinux);

}  // namespace
}  // namespace eddy::test
