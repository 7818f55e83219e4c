// What a server program is told by its service manager, and tells it: the descriptors that it is
// started with, and when it is ready.
#include <eddy/net/activation.h>
#include <eddy/net/readiness.h>
#include <eddy/net/service.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "support/service_test.h"

namespace eddy::test {
namespace {

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
EDDY_ON_EVERY_REAL_CONFIGURATION(Activation);

}  // namespace
}  // namespace eddy::test
