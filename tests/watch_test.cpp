// Readiness of descriptors that the user owns.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>

#include <array>
#include <fstream>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

constexpr Interest kReadable = Interest::kReadable;
constexpr Interest kWritable = Interest::kWritable;

class WatchTest : public ReactorTest {
 protected:
  WatchTest() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(machine().pipe(fds, O_CLOEXEC | O_NONBLOCK), 0);
    read_end_.reset(fds[0]);
    write_end_.reset(fds[1]);
  }
  void TearDown() override {
    read_end_.reset();
    write_end_.reset();
    ReactorTest::TearDown();
  }
  Watch watch(int fd, Interest interest) {
    auto made = reactor().watch(fd, interest, [this](Interest ready) {
      ++calls_;
      last_ = ready;
    });
    EXPECT_TRUE(made) << made.error().message();
    return made.value_or(Watch());
  }
  void write_byte() { EXPECT_EQ(machine().write(write_end_.get(), "x"), 1); }
  void read_byte() {
    char byte = 0;
    EXPECT_EQ(plain_kernel().read(read_end_.get(), &byte, 1), 1);
  }

  Descriptor read_end_, write_end_;
  int calls_ = 0;
  Interest last_ = Interest::kNone;
};
// Files and devices.
class WatchTestOnLinux : public WatchTest {};

TEST_P(WatchTest, IsLevelTriggered) {
  Watch reading = watch(read_end_.get(), kReadable);
  EXPECT_TRUE(reading.is_open());
  run_turns(5);
  EXPECT_EQ(calls_, 0);
  write_byte();
  EXPECT_EQ(calls_, 0);
  for (int expected = 1; expected <= 5; ++expected) {
    ASSERT_TRUE(run_until([&] { return calls_ >= expected; }));  // nobody reads: again and again
  }
  EXPECT_EQ(last_, kReadable);
  read_byte();
  run_turns(2);  // what was on its way
  calls_ = 0;
  run_turns();
  EXPECT_EQ(calls_, 0);
  write_byte();
  EXPECT_TRUE(run_until([&] { return calls_ > 0; }));
  reading.close();
  EXPECT_FALSE(reading.is_open());
}

TEST_P(WatchTest, OnceATurn) {
  Watch reading = watch(read_end_.get(), kReadable);
  write_byte();
  ASSERT_TRUE(run_until([&] { return calls_ > 0; }));
  for (int i = 0; i < 20; ++i) {
    const int before = calls_;
    run_turns(1);
    EXPECT_LE(calls_, before + 1);
  }
  reading.close();
}

TEST_P(WatchTest, Writable) {
  Watch writing = watch(write_end_.get(), kWritable);
  EXPECT_TRUE(run_until([&] { return calls_ >= 3; }));
  EXPECT_EQ(last_, kWritable);
  const std::string much(1 << 20, 'x');
  while (machine().write(write_end_.get(), much) > 0) {
  }
  run_turns(2);
  calls_ = 0;
  run_turns();
  EXPECT_EQ(calls_, 0);
  writing.close();
}

TEST_P(WatchTest, InterestChanges) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
            0);
  const Descriptor mine(fds[0]);
  const Descriptor others(fds[1]);
  Watch both = watch(mine.get(), Interest::kNone);
  ASSERT_EQ(machine().write(others.get(), "x"), 1);
  run_turns();
  EXPECT_EQ(calls_, 0);
  both.set_interest(kReadable);
  EXPECT_TRUE(run_until([&] { return last_ == kReadable; }));
  both.set_interest(kWritable);
  EXPECT_TRUE(run_until([&] { return last_ == kWritable; }));
  for (int i = 0; i < 20; ++i) {
    run_turns(1);
    EXPECT_EQ(last_, kWritable);  // never what is not asked for any more
  }
  both.set_interest(kReadable | kWritable);
  EXPECT_TRUE(run_until([&] { return last_ == (kReadable | kWritable); }));
  both.set_interest(Interest::kNone);
  calls_ = 0;
  run_turns();
  EXPECT_EQ(calls_, 0);
  both.set_interest(kReadable);
  EXPECT_TRUE(run_until([&] { return calls_ > 0; }));
  both.close();
}

// The change is made by a callback of the same batch, in which the old event lies already.
TEST_P(WatchTest, InterestChangesWithinABatch) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(machine().pipe(fds, O_CLOEXEC), 0);
  const Descriptor other_end(fds[0]);
  const Descriptor other_write_end(fds[1]);
  ASSERT_EQ(machine().write(fds[1], "x"), 1);
  write_byte();
  std::array<Watch, 2> watches;
  int told = 0;
  const auto stop_the_other = [&](size_t other) {
    return [&, other](Interest) {
      ++told;
      watches[other].set_interest(Interest::kNone);
    };
  };
  watches[0] = *reactor().watch(read_end_.get(), kReadable, stop_the_other(1));
  watches[1] = *reactor().watch(other_end.get(), kReadable, stop_the_other(0));
  run_turns(1);
  run_turns(1);
  const int first = told;
  EXPECT_GE(first, 1);
  EXPECT_LE(first, 2);  // one of them, in each of two turns
  for (Watch& open : watches) open.close();
}

TEST_P(WatchTest, AHangUpIsToldAskedForOrNot) {
  Watch reading = watch(read_end_.get(), kReadable);
  run_turns(3);
  write_end_.reset();
  EXPECT_TRUE(run_until([&] { return any(last_ & Interest::kHangup); }));
  const int before = calls_;
  EXPECT_TRUE(
      run_until([&] { return calls_ > before + 2; }));  // until somebody does something about it
  reading.set_interest(Interest::kNone);
  run_turns(2);
  calls_ = 0;
  expect_no_spin();
  EXPECT_EQ(calls_, 0);
  reading.close();
}

TEST_P(WatchTest, AnErrorIsToldAskedForOrNot) {
  Watch writing = watch(write_end_.get(), Interest::kPriority);
  run_turns(3);
  EXPECT_EQ(calls_, 0);
  read_end_.reset();
  EXPECT_TRUE(run_until([&] { return any(last_ & Interest::kError); }));
  writing.close();
}

TEST_P(WatchTest, UrgentData) {
  const Descriptor listener = bound_socket();
  ASSERT_EQ(plain_kernel().listen(listener.get(), 1), 0);
  Peer peer = Peer::connect_to(address_of(listener.get()));
  const Descriptor accepted(plain_kernel().accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  Watch urgent = watch(accepted.get(), Interest::kPriority);
  peer.send("not urgent");
  run_turns();
  EXPECT_EQ(calls_, 0);
  peer.send("!", MSG_OOB);
  EXPECT_TRUE(run_until([&] { return any(last_ & Interest::kPriority); }));
  urgent.close();
}

TEST_P(WatchTest, AnEventfd) {
  const Descriptor event(plain_kernel().eventfd());
  Watch on_event = watch(event.get(), kReadable);
  run_turns(3);
  EXPECT_EQ(calls_, 0);
  plain_kernel().write_eventfd(event.get());
  EXPECT_TRUE(run_until([&] { return calls_ > 0; }));
  on_event.close();
}

TEST_P(WatchTestOnLinux, Inotify) {
  std::string folder = "/tmp/eddy-watch-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const Descriptor changes(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ASSERT_GE(inotify_add_watch(changes.get(), folder.c_str(), IN_CREATE), 0);
  Watch on_change = watch(changes.get(), kReadable);
  run_turns(3);
  EXPECT_EQ(calls_, 0);
  std::ofstream(folder + "/new").put('x');
  EXPECT_TRUE(run_until([&] { return calls_ > 0; }));
  on_change.close();
  unlink((folder + "/new").c_str());
  rmdir(folder.c_str());
}

TEST_P(WatchTestOnLinux, ARegularFileIsRefused) {
  std::string name = "/tmp/eddy-watch-XXXXXX";
  const Descriptor file(mkostemp(name.data(), O_CLOEXEC));
  unlink(name.c_str());
  const auto refused = reactor().watch(file.get(), kReadable, [](Interest) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kUnsupported);
  EXPECT_NE(refused.error().message().find("regular file"), std::string::npos);
}

// Whatever the backend's poll would say of it.
TEST_P(WatchTestOnLinux, WhatHasNoReadinessIsRefused) {
  for (const char* name : {"/dev/null", "/dev/zero", "/tmp"}) {
    const Descriptor descriptor(open(name, O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(descriptor.is_open()) << name;
    const auto refused = reactor().watch(descriptor.get(), kReadable, [](Interest) {});
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), Errc::kUnsupported);
    EXPECT_EQ(refused.error().message(),
              "watch fd " + std::to_string(descriptor.get()) +
                  ": not supported (a directory, or a device such as /dev/null, has no readiness "
                  "to wait for)");
    run_turns(3);
  }
}

TEST_P(WatchTest, WhatIsNoDescriptorIsRefused) {
  const auto refused = reactor().watch(999'999, kReadable, [](Interest) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), std::errc::bad_file_descriptor);
}

TEST_P(WatchTest, ASecondWatchOfADescriptorIsRefused) {
  Watch first = watch(read_end_.get(), kReadable);
  const auto second = reactor().watch(read_end_.get(), kReadable, [](Interest) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), std::errc::file_exists);
  first.close();
  EXPECT_TRUE(watch(read_end_.get(), kReadable).is_open());  // at once
  write_byte();
  EXPECT_TRUE(run_until([&] { return calls_ > 0; }));
  last_ = Interest::kNone;
  destroy_reactor();
}

// Closed by its owner right after the watch; the number is somebody else's at once.
TEST_P(WatchTest, TheDescriptorMayBeClosedRightAfterTheWatch) {
  for (int turns = 0; turns < 3; ++turns) {
    Watch reading = watch(read_end_.get(), kReadable);
    run_turns(turns);
    const int number = read_end_.get();
    reading.close();
    read_end_.reset();
    write_end_.reset();
    int fds[2] = {-1, -1};
    ASSERT_EQ(machine().pipe(fds, O_CLOEXEC | O_NONBLOCK), 0);
    ASSERT_EQ(fds[0], number);
    read_end_.reset(fds[0]);
    write_end_.reset(fds[1]);
    Watch next = watch(read_end_.get(), kReadable);
    write_byte();
    calls_ = 0;
    EXPECT_TRUE(run_until([&] { return calls_ > 0; }));
    next.close();
    expect_baseline();
  }
}

TEST_P(WatchTest, ClosesItselfInItsCallback) {
  std::optional<Watch> once;
  once = *reactor().watch(read_end_.get(), kReadable, [&](Interest) {
    ++calls_;
    once->close();
  });
  write_byte();
  EXPECT_TRUE(run_until([&] { return calls_ > 0; }));
  run_turns();
  EXPECT_EQ(calls_, 1);
}

EDDY_ON_EVERY_CONFIGURATION(WatchTest);
EDDY_ON_EVERY_REAL_CONFIGURATION(WatchTestOnLinux);

}  // namespace
}  // namespace eddy::test
