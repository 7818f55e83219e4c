// The files of Unix sockets: what stands in the way, who may connect, and who removes them.
#include <eddy/net/listener.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "support/fault_test.h"
#include "support/unix_names.h"

namespace eddy::test {
namespace {

class UnixPath : public FaultTest {
 protected:
  // A program that ended: its socket is closed, its file is there.
  void leave_behind(const Address& address, int type = SOCK_STREAM) {
    const Descriptor socket(plain_kernel().socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    ASSERT_EQ(plain_kernel().bind(socket.get(), address.data(), address.size()), 0);
  }
  void expect_taken(const Result<void>& result, std::string_view advice) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), errno_code(EADDRINUSE)) << result.error().message();
    EXPECT_NE(result.error().message().find(advice), std::string::npos) << result.error().message();
    EXPECT_FALSE(listener_.is_listening());
  }
  void serve_at(const Address& address) {
    server.emplace(reactor(), echo_options());
    ASSERT_TRUE(server->listen(address));
  }
  void expect_serves(const Address& address) {
    const int before = accepted_;
    peer = Peer::connect_to(address);
    EXPECT_TRUE(peer.is_open());
    EXPECT_TRUE(run_until([&] { return accepted_ == before + 1; }));
  }

  void TearDown() override {
    listener_.close();
    FaultTest::TearDown();
  }

  UnixNames names_;
  int accepted_ = 0;
  Listener listener_{reactor(), [this](int fd) {
                       ++accepted_;
                       plain_kernel().close(fd);
                     }};
};
// Processes, folders and symbolic links.
class UnixPathOnLinux : public UnixPath {};

TEST_P(UnixPath, AFileThatWasLeftBehindIsNoObstacle) {
  const Address address = names_.at_path("stale");
  leave_behind(address);
  ASSERT_TRUE(exists(address));
  const auto listening = listener_.listen(address);
  ASSERT_TRUE(listening) << listening.error().message();
  EXPECT_FALSE(listener_.is_tcp());
  expect_serves(address);
}

TEST_P(UnixPath, NorIsOneOfAnotherKindOfSocket) {
  const Address address = names_.at_path("stale-datagrams");
  leave_behind(address, SOCK_DGRAM);
  EXPECT_TRUE(listener_.listen(address));
  expect_serves(address);
}

TEST_P(UnixPath, UnlessItIsToStay) {
  const Address address = names_.at_path("stays");
  leave_behind(address);
  expect_taken(listener_.listen(address, {.remove_stale_path = false}), "remove it");
  EXPECT_TRUE(exists(address));
}

TEST_P(UnixPath, WhereAProgramListensNobodyElseDoes) {
  const Address address = names_.at_path("taken");
  serve_at(address);
  expect_taken(listener_.listen(address), "another program listens there");
  peer = Peer::connect_to(address);
  EXPECT_TRUE(peer.is_open());
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));

  for (const int type : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    const Address other = names_.at_path("other" + std::to_string(type));
    const Descriptor socket(plain_kernel().socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    ASSERT_EQ(plain_kernel().bind(socket.get(), other.data(), other.size()), 0);
    if (type == SOCK_SEQPACKET) plain_kernel().listen(socket.get(), 1);
    expect_taken(listener_.listen(other), "another program listens there");
  }
}

TEST_P(UnixPath, AFullBacklogIsInUseToo) {
  const Address address = names_.at_path("full");
  const Descriptor socket(plain_kernel().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(plain_kernel().bind(socket.get(), address.data(), address.size()), 0);
  ASSERT_EQ(plain_kernel().listen(socket.get(), 0), 0);
  peer = Peer::connect_to(address);
  expect_taken(listener_.listen(address), "another program listens there");
}

TEST_P(UnixPath, AnAbstractNameThatIsTaken) {
  const Address address = UnixNames::abstract("taken");
  serve_at(address);
  expect_taken(listener_.listen(address), "another socket listens there");
}

TEST_P(UnixPath, WhatIsNoSocketIsNeverRemoved) {
  const Address address = names_.at_path("file");
  const std::string path(address.path());
  const Descriptor file(plain_kernel().open(path.c_str(), O_CREAT | O_RDWR, 0600));
  ASSERT_TRUE(file.is_open());
  expect_taken(listener_.listen(address), "no socket");
  EXPECT_TRUE(exists(address));
}

TEST_P(UnixPathOnLinux, NorIsASymbolicLink) {
  const Address link = names_.at_path("link");
  ASSERT_EQ(symlink("nowhere", std::string(link.path()).c_str()), 0);
  expect_taken(listener_.listen(link), "no socket");
  EXPECT_TRUE(exists(link));
}

TEST_P(UnixPathOnLinux, AFolderThatIsNotThereIsTold) {
  const auto refused = listener_.listen(names_.at_path("nowhere/socket"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errno_code(ENOENT));
  EXPECT_NE(refused.error().message().find("folder"), std::string::npos);
}

// --- Who may connect

TEST_P(UnixPath, ThePathsModeIsSet) {
  const Address address = names_.at_path("mode");
  for (const uint32_t mode : {0600U, 0666U}) {
    ASSERT_TRUE(listener_.listen(address, {.path_mode = mode}));
    EXPECT_EQ(mode_of(address), mode);
    listener_.close();
    EXPECT_FALSE(exists(address));
  }
}

TEST_P(UnixPath, WhereItCannotBeSetNothingIsLeft) {
  const Address address = names_.at_path("mode");
  plan().fail(SystemCall::kChmod, EPERM);
  const auto refused = listener_.listen(address, {.path_mode = 0600U});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errno_code(EPERM)) << refused.error().message();
  EXPECT_FALSE(exists(address));
}

// --- Who removes it

TEST_P(UnixPath, GoesWhenItsListenerCloses) {
  const Address address = names_.at_path("closed");
  ASSERT_TRUE(listener_.listen(address));
  ASSERT_TRUE(exists(address));
  listener_.close();
  EXPECT_FALSE(exists(address));
  ASSERT_TRUE(listener_.listen(address));
  expect_serves(address);
}

TEST_P(UnixPath, GoesWithItsServer) {
  const Address address = names_.at_path("destroyed");
  serve_at(address);
  ASSERT_TRUE(exists(address));
  server.reset();
  EXPECT_FALSE(exists(address));
}

TEST_P(UnixPath, GoesWhenListeningFails) {
  const Address address = names_.at_path("failed");
  plan().fail(SystemCall::kListen, ENOBUFS);
  EXPECT_FALSE(listener_.listen(address));
  EXPECT_FALSE(exists(address));
  plan().fail(SystemCall::kLstat, ENOMEM);
  EXPECT_FALSE(listener_.listen(address));
  EXPECT_FALSE(exists(address));
}

TEST_P(UnixPath, StaysWhereAnotherHasTakenThePlace) {
  const Address address = names_.at_path("replaced");
  ASSERT_TRUE(listener_.listen(address));
  ASSERT_EQ(plain_kernel().unlink(std::string(address.path()).c_str()), 0);
  const Descriptor other(plain_kernel().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(plain_kernel().bind(other.get(), address.data(), address.size()), 0);
  listener_.close();
  EXPECT_TRUE(exists(address));
}

TEST_P(UnixPath, StaysWhereItIsToBeKept) {
  const Address address = names_.at_path("kept");
  ASSERT_TRUE(listener_.listen(address));
  listener_.keep_path();
  listener_.close();
  EXPECT_TRUE(exists(address));
}

TEST_P(UnixPath, StaysWhereTheSocketWasBoundByItsUser) {
  const Address address = names_.at_path("adopted");
  Descriptor socket(plain_kernel().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(plain_kernel().bind(socket.get(), address.data(), address.size()), 0);
  ASSERT_TRUE(listener_.listen_on(socket.get()));
  socket.release();
  expect_serves(address);
  listener_.close();
  EXPECT_TRUE(exists(address));
}

// A child inherits the descriptor, and destroys what it was given: the parent goes on listening.
TEST_P(UnixPathOnLinux, StaysWhenAChildProcessEnds) {
  const Address address = names_.at_path("inherited");
  serve_at(address);
  const pid_t child = fork();
  if (child == 0) {
    server.reset();
    destroy_reactor();
    _exit(exists(address) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  peer = Peer::connect_to(address);
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));
}

// A new server comes up while the old one still closes.
TEST_P(UnixPath, AnOldServerDoesNotTakeTheNewOnesPathAway) {
  const Address address = names_.at_path("restarted");
  serve_at(address);
  ASSERT_EQ(plain_kernel().unlink(std::string(address.path()).c_str()), 0);
  ASSERT_TRUE(listener_.listen(address));
  server.reset();
  run_turns();
  expect_serves(address);
}

EDDY_ON_EVERY_CONFIGURATION(UnixPath);
EDDY_ON_EVERY_REAL_CONFIGURATION(UnixPathOnLinux);

}  // namespace
}  // namespace eddy::test
