// What closing leaves open: whether the peer has read to the end, and whether it was the end, where
// others have the descriptor too.
#include <eddy/net/connector.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <set>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamClose : public StreamTest {
 protected:
  void expect_closed(std::error_code code) {
    EXPECT_TRUE(run_until([&] { return journal.closed(); }));
    EXPECT_EQ(journal.count("close"), 1U);
    EXPECT_EQ(journal.code, code) << journal.code.message();
  }
  bool was_thrown_away() {
    return journal.code == std::errc::connection_reset || journal.code == std::errc::broken_pipe;
  }
};
// Processes, and what /proc tells of descriptors.
class StreamCloseOnLinux : public StreamClose {
 protected:
  // A process that has all of ours, and, if it is another program, what was not closed on exec.
  pid_t start_child(bool executes) {
    const pid_t child = fork();
    if (child != 0) return child;
    if (executes) execl("/bin/sleep", "sleep", "1000", nullptr);
    for (;;) pause();
  }
  void end_child(pid_t child) {
    kill(child, SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
  }
};

TEST_P(StreamClose, ThePeersEndConfirms) {
  serve_one(journal.options());
  stream.send("all of it");
  stream.close_confirmed(10s);
  EXPECT_FALSE(stream.is_open());
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_EQ(peer.received, "all of it");
  run_turns();
  EXPECT_FALSE(journal.closed());  // it has read everything, and not said so yet
  peer.close();
  expect_closed({});
  EXPECT_EQ(journal.events, (Events{"open", "close"}));
}

TEST_P(StreamClose, WithNothingToSendTheEndIsConfirmed) {
  serve_one(journal.options());
  stream.close_confirmed(10s);
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  run_turns();
  EXPECT_FALSE(journal.closed());
  peer.shutdown_write();
  expect_closed({});
}

TEST_P(StreamClose, APeerThatDoesNotEndIsNotWaitedForForEver) {
  serve_one(journal.options());
  stream.send("x");
  const TimePoint began = now();
  stream.close_confirmed(80ms);
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  expect_closed(Errc::kTimedOut);
  EXPECT_GE(now() - began, 80ms);
}

TEST_P(StreamClose, APeerThatTakesNothingIsNotWaitedForForEver) {
  serve_one(journal.options(), 4096);
  stream.send(Slice::copy_of(pattern(16 << 20)));
  stream.close_confirmed(80ms);
  expect_closed(Errc::kTimedOut);
}

// Its kernel had acknowledged the bytes, and it never saw them.
TEST_P(StreamClose, APeerThatLeavesWithoutReadingIsAnError) {
  serve_one(journal.options());
  stream.send("never read");
  stream.close_confirmed(10s);
  run_turns();
  peer.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_TRUE(was_thrown_away()) << journal.code.message();
}

TEST_P(StreamClose, APeerThatHadEndedConfirmsNothing) {
  for (const bool shuts_first : {false, true}) {
    journal = {};
    serve_one(journal.options());
    peer.shutdown_write();
    EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
    stream.send("x");
    if (shuts_first) stream.shutdown_write();
    stream.close_confirmed(10s);
    EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
    EXPECT_EQ(peer.received, "x");
    expect_closed(Errc::kEndOfInput);
    peer = {};
    server.reset();
  }
}

// More than its kernel takes is under way then, and our end behind it.
TEST_P(StreamClose, APeerThatEndsBeforeAllHasReachedItConfirmsNothing) {
  serve_one(journal.options(), 8192);
  stream.send(Slice::copy_of(pattern(100'000)));
  stream.close_confirmed(10s);
  run_turns();
  peer.shutdown_write();
  expect_closed(Errc::kEndOfInput);
}

TEST_P(StreamClose, WhatStillComesIsDropped) {
  serve_one(journal.options());
  stream.close_confirmed(10s);
  run_turns();
  peer.send(pattern(300'000));
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  run_turns();
  peer.shutdown_write();
  expect_closed({});
  EXPECT_EQ(journal.data, "");
  EXPECT_EQ(peer.error, 0);
}

TEST_P(StreamClose, AfterAShutdownOfOnesOwn) {
  serve_one(journal.options());
  stream.send("x");
  stream.shutdown_write();
  run_turns();
  stream.close_confirmed(10s);
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_FALSE(journal.closed());
  peer.close();
  expect_closed({});
}

TEST_P(StreamClose, AResetMeanwhileIsNoConfirmation) {
  serve_one(journal.options());
  stream.close_confirmed(10s);
  run_turns();
  stream.reset();
  expect_closed(Errc::kClosed);
}

TEST_P(StreamClose, ConfirmedWhileConnecting) {
  Journal of_server;
  StreamOptions options = of_server.options();
  options.on_end = {};  // it closes when its peer has ended
  const Address address = serve(std::move(options));
  Connector connector(reactor(), journal.options());
  stream = *connector.connect(address);
  stream.send("early");
  stream.close_confirmed(10s);
  expect_closed({});
  EXPECT_EQ(of_server.data, "early");
  EXPECT_EQ(journal.events, (Events{"close"}));
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

// RFC 1122, section 4.2.2.13: what has arrived and nobody has read makes closing a reset.
TEST_P(StreamClose, WithUnreadInputAPlainCloseIsAReset) {
  serve_one(journal.options());
  stream.pause();
  run_turns();
  peer.send("unread");
  run_turns();
  stream.close();
  expect_closed({});
  EXPECT_TRUE(run_until([&] { return peer.has_failed(); }));
  EXPECT_EQ(peer.error, ECONNRESET);
}

// A connection ends when the last descriptor of it is closed; sending ends at once.
TEST_P(StreamClose, ADuplicateKeepsTheConnection) {
  for (const bool shuts : {false, true}) {
    journal = {};
    serve_one(journal.options());
    Descriptor same(machine().duplicate(stream.descriptor()));
    ASSERT_TRUE(same.is_open());
    if (shuts) stream.shutdown_write();
    run_turns();
    stream.close();
    expect_closed({});
    run_turns();
    EXPECT_EQ(peer.has_ended(), shuts);
    same.reset();
    EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
    server.reset();
    peer = {};
  }
}

// As a child has one that was forked and executes nothing.
TEST_P(StreamClose, WhatADuplicateThatNobodyKnowsOfIsReadyForConcernsNobody) {
  serve_one(journal.options());
  const Address name = address_of(peer.fd());
  int accepted = -1;
  for (int fd = 0; fd < 200; ++fd) {
    sockaddr_storage other = {};
    socklen_t length = sizeof other;
    auto* const address = reinterpret_cast<sockaddr*>(&other);
    if (plain_kernel().getpeername(fd, address, &length) == 0 &&
        Address::from(address, length).value_or(Address()) == name) {
      accepted = fd;
    }
  }
  Descriptor duplicate(machine().duplicate(accepted));
  ASSERT_TRUE(duplicate.is_open());
  stream.close();
  expect_closed({});
  const Events told = journal.events;

  Peer next = Peer::connect_to(server->local_address().value_or(Address()));
  ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
  for (int i = 0; i < 20; ++i) {
    peer.send("x");
    run_turns(2);
  }
  expect_no_spin();
  next.send("mine");
  EXPECT_TRUE(run_until([&] { return journal.data == "mine"; }));
  EXPECT_EQ(journal.count("close"), 1U);
  EXPECT_EQ(journal.events.size(), told.size() + 2);  // the next one's open and data
  duplicate.reset();
  next.close();
}

EDDY_ON_EVERY_CONFIGURATION(StreamClose);

TEST_P(StreamCloseOnLinux, AChildThatInheritedItKeepsTheConnection) {
  serve_one(journal.options());
  const pid_t child = start_child(false);
  ASSERT_GT(child, 0);
  stream.close();
  expect_closed({});
  run_turns();
  EXPECT_FALSE(peer.has_ended());
  end_child(child);
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
}

TEST_P(StreamCloseOnLinux, AnotherProgramInheritsNothing) {
  serve_one(journal.options());
  Connector connector(reactor(), {});
  Stream made = *connector.connect(*server->local_address());
  EXPECT_TRUE(run_until([&] { return server->connections() == 2; }));
  const pid_t child = start_child(true);
  ASSERT_GT(child, 0);
  const std::string name = "/proc/" + std::to_string(child);
  EXPECT_TRUE(run_until([&] {
    std::error_code ignored;
    return std::filesystem::read_symlink(name + "/exe", ignored).filename() !=
           std::filesystem::read_symlink("/proc/self/exe", ignored).filename();
  }));
  stream.close();
  expect_closed({});
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  made.reset();
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
  end_child(child);
}

TEST_P(StreamCloseOnLinux, EveryDescriptorClosesOnExec) {
  const auto open = [] {
    std::set<int> numbers;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      numbers.insert(std::stoi(entry.path().filename()));
    }
    std::erase_if(numbers, [](int fd) { return fcntl(fd, F_GETFD) < 0; });  // the folder's own
    return numbers;
  };
  const std::set<int> before = open();
  serve(echo_options());
  Connector connector(reactor(), journal.options());
  stream = *connector.connect(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
  ASSERT_TRUE(run_until([&] { return journal.count("open") == 1; }));
  reactor().poll_fd();
  int made = 0;
  for (const int fd : open()) {
    if (before.contains(fd)) continue;
    ++made;
    EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0)
        << std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
  }
  EXPECT_GE(made, 5);  // the loop, its eventfd, a listener, both ends
  stream.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

EDDY_ON_EVERY_REAL_CONFIGURATION(StreamCloseOnLinux);

}  // namespace
}  // namespace eddy::test
