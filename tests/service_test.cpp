// How a server program begins, is replaced, and ends.
#include <eddy/net/activation.h>
#include <eddy/net/readiness.h>
#include <eddy/net/service.h>
#include <eddy/net/succession.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

class ServiceTest : public FaultTest {
 protected:
  // Calls of a process that begins wait for the one that serves: in a thread of their own beside
  // its reactor, or, under the simulation, which drives it meanwhile, here.
  void while_it_serves(const std::function<void()>& work) {
    if (machine().is_simulated()) return work();
    std::atomic<bool> done = false;
    std::thread other([&] {
      work();
      done = true;
    });
    EXPECT_TRUE(run_until([&] { return done.load(); }));
    other.join();
  }
  // A name that no other test has.
  static Address control() {
    static int number = 0;
    return *Address::parse("unix:@eddy-service-test-" + std::to_string(getpid()) + "-" +
                           std::to_string(++number));
  }
};

// --- Readiness

class ReadinessTest : public ServiceTest {
 protected:
  // Where systemd would listen.
  Address open_notify_socket() {
    const Address address = control();
    socket_.reset(plain_kernel().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(plain_kernel().bind(socket_.get(), address.data(), address.size()), 0);
    return address;
  }
  std::string next_notice() {
    std::array<char, 512> text;
    const ssize_t count = plain_kernel().recv(socket_.get(), text.data(), text.size(), 0);
    return count < 0 ? "" : std::string(text.data(), static_cast<size_t>(count));
  }
  void TearDown() override {
    socket_.reset();
    ServiceTest::TearDown();
  }
  Descriptor socket_;
};

TEST_P(ReadinessTest, EachNoticeIsADatagramOfItsLines) {
  const Readiness readiness(plain_kernel(), open_notify_socket());
  EXPECT_TRUE(readiness.is_asked_for());
  EXPECT_TRUE(readiness.ready());
  EXPECT_EQ(next_notice(), "READY=1\n");
  EXPECT_TRUE(readiness.status("two\nlines"));
  EXPECT_EQ(next_notice(), "STATUS=two lines\n");
  EXPECT_TRUE(readiness.reloading());
  const std::string time = std::to_string(plain_kernel().monotonic_ns() / 1'000'000'000);
  EXPECT_EQ(next_notice().substr(0, 27 + time.size()), "RELOADING=1\nMONOTONIC_USEC=" + time);
  EXPECT_TRUE(readiness.ready_in_its_place());
  EXPECT_EQ(next_notice(),
            "READY=1\nMAINPID=" + std::to_string(plain_kernel().process_id()) + "\n");
  EXPECT_TRUE(readiness.alive());
  EXPECT_EQ(next_notice(), "WATCHDOG=1\n");
  EXPECT_TRUE(readiness.stopping());
  EXPECT_EQ(next_notice(), "STOPPING=1\n");
}

TEST_P(ReadinessTest, WhereNobodyAskedNothingIsSent) {
  const Readiness readiness(plain_kernel(), std::nullopt);
  EXPECT_FALSE(readiness.is_asked_for());
  EXPECT_TRUE(readiness.ready());
}

TEST_P(ReadinessTest, WhatCannotBeToldIsReturned) {
  const Address address = open_notify_socket();
  socket_.reset();
  const auto told = Readiness(plain_kernel(), address).ready();
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code(), std::errc::connection_refused);
  EXPECT_EQ(told.error().subject(), address.to_string());
}

// The environment is this process's.
TEST_P(ReadinessTest, TheEnvironmentSaysWhereAndIsCleared) {
  const Address address = open_notify_socket();
  setenv("NOTIFY_SOCKET", address.to_string().substr(5).c_str(), 1);
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", std::to_string(plain_kernel().process_id()).c_str(), 1);
  const Readiness readiness = Readiness::from_environment(plain_kernel());
  EXPECT_EQ(readiness.watchdog_interval(), 1500ms);
  EXPECT_TRUE(readiness.ready());
  EXPECT_EQ(next_notice(), "READY=1\n");
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    EXPECT_EQ(getenv(name), nullptr) << name;
  }
  for (const char* meaningless :
       {"", "x", "3s", "-4000000", "18446744073709551615", "9223372036854775808"}) {
    setenv("WATCHDOG_USEC", meaningless, 1);
    EXPECT_EQ(Readiness::from_environment(plain_kernel()).watchdog_interval(), 0ms) << meaningless;
  }
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", "99999999", 1);
  EXPECT_EQ(Readiness::from_environment(plain_kernel()).watchdog_interval(), 0ms);
}

// --- Succession

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

// --- A whole service

class HotRestart : public ServiceTest {
 protected:
  StreamOptions answer_with(const char* answer) {
    return {.on_data = [answer](Stream& connection, const Slice&) { connection.send(answer); }};
  }
  bool answers(Peer& asking, std::string_view answer) {
    asking.received.clear();
    asking.send("?");
    return run_until([&] {
      if (successor_) {
        EXPECT_TRUE(successor_->run_once(0ns));
      }
      return asking.has_received(answer);
    });
  }
  void TearDown() override {
    successor_.reset();
    ServiceTest::TearDown();
  }
  std::optional<Reactor> successor_;
};

TEST_P(HotRestart, TheOldServesWhoItHasAndTheNewTakesWhoComes) {
  const ServiceOptions options = {.restart_socket = control().to_string()};
  Server old_server(reactor(), answer_with("old"));
  Service old_service(reactor(), options);
  ASSERT_TRUE(old_service.listen(old_server, "127.0.0.1:0"));
  const Address address = *old_server.local_address();
  ASSERT_TRUE(old_service.ready());
  EXPECT_FALSE(old_service.has_predecessor());
  Peer standing = Peer::connect_to(address);
  ASSERT_TRUE(answers(standing, "old"));

  successor_.emplace(plain_kernel(), reactor_options);  // a FaultyKernel is for one thread
  Server new_server(*successor_, answer_with("new"));
  std::optional<Service> new_service;
  while_it_serves([&] { new_service.emplace(*successor_, options); });
  EXPECT_TRUE(new_service->has_predecessor());
  // In the backlog of both.
  ASSERT_TRUE(new_service->listen(new_server, "127.0.0.1:0"));
  EXPECT_EQ(*new_server.local_address(), address);
  Peer between = Peer::connect_to(address);
  between.send("?");
  ASSERT_TRUE(new_service->ready());
  EXPECT_TRUE(new_service->has_predecessor());
  EXPECT_TRUE(run_until([&] {
    EXPECT_TRUE(successor_->run_once(0ns));
    return old_service.has_successor();
  }));
  EXPECT_LT(old_server.descriptor(), 0);
  run_turns();  // until then it may still have been accepting one
  EXPECT_TRUE(run_until([&] {
    EXPECT_TRUE(successor_->run_once(0ns));
    return between.has_received("old") || between.received == "new";
  }));
  for (int i = 0; i < 5; ++i) {
    Peer coming = Peer::connect_to(address);
    EXPECT_TRUE(answers(coming, "new"));
  }
  EXPECT_TRUE(answers(standing, "old"));
  between.close();
  standing.close();
  EXPECT_TRUE(run_until([&] { return old_server.connections() == 0; }));
  new_service.reset();
}

TEST_P(HotRestart, ThoseThatStayLongerThanTheyMayAreDrained) {
  const ServiceOptions options = {.serve_on = 20ms, .restart_socket = control().to_string()};
  Server old_server(reactor(), answer_with("old"));
  Service old_service(reactor(), options);
  ASSERT_TRUE(old_service.listen(old_server, "127.0.0.1:0"));
  ASSERT_TRUE(old_service.ready());
  Peer standing = Peer::connect_to(*old_server.local_address());
  ASSERT_TRUE(answers(standing, "old"));
  while_it_serves(
      [&] { Predecessor::find(plain_kernel(), *Address::parse(options.restart_socket))->ready(); });
  EXPECT_TRUE(run_until([&] { return standing.has_ended(); }));
  standing.close();
  EXPECT_TRUE(run_until([&] { return old_server.connections() == 0; }));
}

TEST_P(HotRestart, ASignalDrainsAndASecondStops) {
  Server its_server(reactor(), answer_with("x"));
  int drained = 0;
  Service service(reactor(), {.drain = kDeadline, .on_drain = [&] { ++drained; }});
  ASSERT_TRUE(service.listen(its_server, "127.0.0.1:0"));
  ASSERT_TRUE(service.ready());
  Peer idle = Peer::connect_to(*its_server.local_address());
  ASSERT_TRUE(answers(idle, "x"));
  machine().raise(SIGTERM);
  EXPECT_TRUE(run_until([&] { return drained == 1; }));
  EXPECT_LT(its_server.descriptor(), 0);
  machine().raise(SIGINT);
  reactor().ref();
  EXPECT_EQ(reactor().run(), 0);
  reactor().unref();
  EXPECT_EQ(drained, 1);
}

TEST_P(HotRestart, AReloadIsToldBeforeAndAfter) {
  const Address notices = control();
  const Descriptor socket(
      plain_kernel().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ASSERT_EQ(plain_kernel().bind(socket.get(), notices.data(), notices.size()), 0);
  setenv("NOTIFY_SOCKET", notices.to_string().substr(5).c_str(), 1);
  setenv("WATCHDOG_USEC", "20000", 1);
  std::string told;
  const auto listen_to_it = [&] {
    std::array<char, 256> text;
    ssize_t count = 0;
    while ((count = plain_kernel().recv(socket.get(), text.data(), text.size(), 0)) > 0) {
      told += std::string(text.data(), 11) + "|";
    }
    return told;
  };
  Service service(reactor(), {.on_reload = [&] {
                    listen_to_it();
                    told += "reload|";
                  }});
  ASSERT_TRUE(service.ready());
  EXPECT_TRUE(run_until([&] { return listen_to_it().find("WATCHDOG=1") != std::string::npos; }));
  told.clear();
  machine().raise(SIGHUP);
  EXPECT_TRUE(
      run_until([&] { return listen_to_it().find("reload|READY=1") != std::string::npos; }));
  EXPECT_NE(told.find("RELOADING=1|"), std::string::npos);
  EXPECT_LT(told.find("RELOADING=1|"), told.find("reload|"));
}

// --- Activation: the environment, and descriptors of a process that begins, so a child.

class Activation : public ServiceTest {
 protected:
  // In a child that was started with these descriptors from 3 on: the exit status of `check`.
  int in_a_child(const std::vector<int>& descriptors, const char* count, const char* names,
                 const std::function<int()>& check) {
    const pid_t child = fork();
    if (child == 0) {
      std::vector<int> high;
      for (const int fd : descriptors) high.push_back(fcntl(fd, F_DUPFD, 100));
      for (size_t i = 0; i < high.size(); ++i) dup2(high[i], static_cast<int>(i) + 3);
      setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
      setenv("LISTEN_FDS", count, 1);
      if (names != nullptr) setenv("LISTEN_FDNAMES", names, 1);
      _exit(check());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // How many of what a child is to see are not so.
  struct Wrong {
    int count = 0;
    void unless(bool holds) { count += holds ? 0 : 1; }
  };
};

TEST_P(Activation, EachDescriptorHasItsKindAndItsName) {
  const Descriptor listening = bound_socket();
  ::listen(listening.get(), 4);
  const Descriptor datagrams(::socket(AF_INET, SOCK_DGRAM, 0));
  int pair[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const Descriptor connected(pair[0]);
  const Descriptor other_side(pair[1]);
  int pipe_ends[2] = {};
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const Descriptor fifo(pipe_ends[0]);
  const Descriptor writer(pipe_ends[1]);
  const std::vector<int> given = {listening.get(), datagrams.get(), connected.get(), fifo.get()};
  const int wrong = in_a_child(given, "4", "http:dns::queue", [] {
    Wrong found;
    const auto inherited = take_inherited_descriptors(linux_kernel());
    if (!inherited || inherited->size() != 4) return 100;
    const InheritedKind kinds[] = {InheritedKind::kListener, InheritedKind::kDatagram,
                                   InheritedKind::kConnection, InheritedKind::kOther};
    const std::string_view names[] = {"http", "dns", "unknown", "queue"};
    for (size_t i = 0; i < 4; ++i) {
      const InheritedDescriptor& one = (*inherited)[i];
      found.unless(one.kind == kinds[i] && one.name == names[i]);
      found.unless(one.descriptor == static_cast<int>(i) + 3);
      found.unless((fcntl(one.descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    }
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
      found.unless(getenv(name) == nullptr);
    }
    return found.count;
  });
  EXPECT_EQ(wrong, 0);
}

TEST_P(Activation, AServiceServesFromWhatItWasGiven) {
  const Descriptor listening = bound_socket();
  ::listen(listening.get(), 4);
  Peer waiting = Peer::connect_to(address_of(listening.get()));
  waiting.send("?");
  const int wrong = in_a_child({listening.get()}, "1", nullptr, [] {
    Reactor its({.backend = BackendKind::kEpoll});
    Server serving(its, {.on_data = [&](Stream& connection, const Slice&) {
                     connection.send("activated");
                     connection.close();
                     its.stop();
                   }});
    Service service(its);
    if (!service.listen(serving, "192.0.2.1:9") || !service.ready()) return 1;
    its.run();
    return its.run_once(0ns) ? 0 : 2;
  });
  EXPECT_EQ(wrong, 0);
  waiting.receive();
  EXPECT_EQ(waiting.received, "activated");
}

TEST_P(Activation, WhatIsWrongIsTold) {
  const auto code_of = [](const std::function<void()>& change) {
    return [change] {
      change();
      const auto inherited = take_inherited_descriptors(linux_kernel());
      return inherited ? static_cast<int>(inherited->size()) + 100
                       : inherited.error().code().value();
    };
  };
  EXPECT_EQ(in_a_child({}, "1", nullptr, code_of([] { close(3); })), EBADF);
  EXPECT_EQ(in_a_child({}, "many", nullptr, code_of([] {})), EINVAL);
  EXPECT_EQ(in_a_child({}, "-1", nullptr, code_of([] {})), EINVAL);
  EXPECT_EQ(in_a_child({}, "2147483647", nullptr, code_of([] {})), EINVAL);
  EXPECT_EQ(in_a_child({}, "1", nullptr, code_of([] { setenv("LISTEN_PID", "1", 1); })), 100);
  EXPECT_EQ(in_a_child({}, "1", nullptr, code_of([] { unsetenv("LISTEN_PID"); })), 100);
  EXPECT_EQ(in_a_child({}, "1", nullptr, code_of([] { setenv("LISTEN_PID", "me", 1); })), EINVAL);
}

EDDY_ON_EVERY_CONFIGURATION(ReadinessTest);
EDDY_ON_EVERY_CONFIGURATION(SuccessionTest);
EDDY_ON_EVERY_REAL_CONFIGURATION(SuccessionOnLinux);
EDDY_ON_EVERY_CONFIGURATION(HotRestart);
EDDY_ON_EVERY_REAL_CONFIGURATION(Activation);

}  // namespace
}  // namespace eddy::test
