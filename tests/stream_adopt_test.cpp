// Streams over what the user hands in: pipes, terminals, socket pairs.
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/un.h>
#include <termios.h>

#include <array>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

std::string read_all(int fd) {
  std::array<char, 65536> room;
  std::string bytes;
  for (ssize_t count = 0; (count = plain_kernel().read(fd, room.data(), room.size())) > 0;) {
    bytes.append(room.data(), static_cast<size_t>(count));
  }
  return bytes;
}

class StreamAdopt : public StreamTest {
 protected:
  struct Pipe {
    Descriptor read_end, write_end;
  };
  static Pipe make_pipe() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(machine().pipe(fds, O_CLOEXEC), 0);
    return {Descriptor(fds[0]), Descriptor(fds[1])};
  }
  static void set_nonblocking(int fd) {
    plain_kernel().set_status_flags(fd, plain_kernel().get_status_flags(fd) | O_NONBLOCK);
  }

  // The stream owns the descriptor from now on.
  Stream adopted(Descriptor& descriptor) {
    auto stream_or_error = adopt(reactor(), descriptor.get(), journal.options());
    EXPECT_TRUE(stream_or_error) << stream_or_error.error().message();
    if (stream_or_error) descriptor.release();
    return stream_or_error.value_or(Stream());
  }
  void expect_refused(int fd, std::error_code code, const char* hint) {
    const auto refused = adopt(reactor(), fd, journal.options());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), code) << refused.error().message();
    EXPECT_NE(refused.error().message().find(hint), std::string::npos) << refused.error().message();
    EXPECT_GE(plain_kernel().get_status_flags(fd), 0);  // it is still the user's
    run_turns(3);
    EXPECT_TRUE(journal.events.empty());
  }
};
// Terminals, files and devices.
class StreamAdoptOnLinux : public StreamAdopt {};

TEST_P(StreamAdopt, OnOpenComesInTheNextTurn) {
  Pipe pipe = make_pipe();
  stream = adopted(pipe.read_end);
  EXPECT_TRUE(journal.events.empty());
  run_turns(1);
  EXPECT_EQ(journal.events, (Events{"open"}));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamAdopt, AReadEndOfAPipe) {
  Pipe pipe = make_pipe();
  stream = adopted(pipe.read_end);
  set_nonblocking(pipe.write_end.get());
  const std::string bytes = pattern(1 << 20);
  size_t written = 0;
  EXPECT_TRUE(run_until([&] {
    const ssize_t count =
        machine().write(pipe.write_end.get(), std::string_view(bytes).substr(written));
    if (count > 0) written += static_cast<size_t>(count);
    if (written == bytes.size()) pipe.write_end.reset();
    return journal.count("end") == 1;
  }));
  EXPECT_TRUE(journal.data == bytes);
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(journal.code);
}

TEST_P(StreamAdopt, AWriteEndOfAPipe) {
  Pipe pipe = make_pipe();
  set_nonblocking(pipe.read_end.get());
  stream = adopted(pipe.write_end);
  const std::string bytes = pattern(1 << 20);
  stream.send(Slice::copy_of(bytes));
  stream.close();
  std::string received;
  EXPECT_TRUE(run_until([&] {
    received += read_all(pipe.read_end.get());
    return journal.closed();
  }));
  received += read_all(pipe.read_end.get());
  EXPECT_TRUE(received == bytes);
  EXPECT_FALSE(journal.code) << journal.code.message();
}

// What can only be written has no other half: its reader sees the end.
TEST_P(StreamAdopt, ShutdownWriteOfAPipeEndsIt) {
  Pipe pipe = make_pipe();
  stream = adopted(pipe.write_end);
  stream.send("all");
  stream.shutdown_write();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(read_all(pipe.read_end.get()), "all");  // does not block: there is an end
}

TEST_P(StreamAdopt, APipeWithoutAReaderIsAnErrorAndNoSignal) {
  struct sigaction action = {};
  sigaction(SIGPIPE, nullptr, &action);
  ASSERT_EQ(action.sa_handler, SIG_DFL);
  Pipe pipe = make_pipe();
  stream = adopted(pipe.write_end);
  pipe.read_end.reset();
  stream.send("x");
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, std::errc::broken_pipe) << journal.code.message();
}

TEST_P(StreamAdopt, AReaderThatGoesAwayIsNoticedWithoutASend) {
  Pipe pipe = make_pipe();
  stream = adopted(pipe.write_end);
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  pipe.read_end.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(journal.code, std::errc::broken_pipe) << journal.code.message();
}

TEST_P(StreamAdopt, PauseAndResumeOfAPipe) {
  Pipe pipe = make_pipe();
  stream = adopted(pipe.read_end);
  run_turns(2);
  stream.pause();
  run_turns(2);
  ASSERT_EQ(machine().write(pipe.write_end.get(), "held"), 4);
  pipe.write_end.reset();
  run_turns();
  EXPECT_EQ(journal.events, (Events{"open"}));
  expect_no_spin();  // a hang-up during the pause does not spin
  stream.resume();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  EXPECT_EQ(journal.events, (Events{"open", "data", "end"}));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamAdopt, StatusFlagsAreRestored) {
  Pipe pipe = make_pipe();
  const Descriptor shared(machine().duplicate(pipe.read_end.get()));
  const int before = plain_kernel().get_status_flags(shared.get());
  ASSERT_EQ(before & O_NONBLOCK, 0);
  stream = adopted(pipe.read_end);
  EXPECT_NE(plain_kernel().get_status_flags(shared.get()) & O_NONBLOCK, 0);
  run_turns(2);
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(plain_kernel().get_status_flags(shared.get()), before);
}

TEST_P(StreamAdoptOnLinux, ATerminal) {
  int controller_fd = -1;
  int terminal_fd = -1;
  termios raw = {};
  cfmakeraw(&raw);
  ASSERT_EQ(openpty(&controller_fd, &terminal_fd, nullptr, &raw, nullptr), 0);
  Descriptor controller(controller_fd);
  Descriptor terminal(terminal_fd);
  stream = adopted(terminal);
  set_nonblocking(controller.get());
  const std::string bytes = pattern(100'000);
  stream.send(Slice::copy_of(bytes));
  std::string received;
  size_t written = 0;
  EXPECT_TRUE(run_until([&] {
    received += read_all(controller.get());
    const ssize_t count =
        machine().write(controller.get(), std::string_view(bytes).substr(written));
    if (count > 0) written += static_cast<size_t>(count);
    return received.size() == bytes.size() && journal.data.size() == bytes.size();
  }));
  EXPECT_TRUE(received == bytes);
  EXPECT_TRUE(journal.data == bytes);
  controller.reset();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

// EIO is how the controlling side learns that the terminal was closed (pty(7)): an end like others.
TEST_P(StreamAdoptOnLinux, AControllingTerminalWhoseOtherSideCloses) {
  int controller_fd = -1;
  int terminal_fd = -1;
  termios raw = {};
  cfmakeraw(&raw);
  ASSERT_EQ(openpty(&controller_fd, &terminal_fd, nullptr, &raw, nullptr), 0);
  Descriptor controller(controller_fd);
  Descriptor terminal(terminal_fd);
  stream = adopted(controller);
  ASSERT_EQ(machine().write(terminal.get(), "bye"), 3);
  EXPECT_TRUE(run_until([&] { return journal.data == "bye"; }));
  terminal.reset();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_FALSE(journal.code);
}

// Blocking, as socketpair(2) makes them: the loop must not block with them.
TEST_P(StreamAdopt, BlockingSocketPair) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(plain_kernel().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  Descriptor mine(fds[0]);
  peer = Peer(fds[1]);
  stream = adopted(mine);
  const std::string bytes = pattern(2 << 20);
  stream.send(Slice::copy_of(bytes));
  PatternExchange transfer(peer, bytes.size());
  EXPECT_TRUE(run_until([&] { return transfer.step(); }));
  EXPECT_TRUE(transfer.complete());
  EXPECT_TRUE(run_until([&] {
    transfer.send_step(1 << 16);
    return journal.data.size() == bytes.size();
  }));
  EXPECT_TRUE(journal.data == bytes);
  stream.shutdown_write();
  EXPECT_TRUE(run_until([&] { return peer.has_ended(); }));
  peer.close();
  EXPECT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  stream.close();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
}

TEST_P(StreamAdoptOnLinux, ARegularFileIsRefused) {
  std::string name = "/tmp/eddy-adopt-XXXXXX";
  const Descriptor file(mkostemp(name.data(), O_CLOEXEC));
  unlink(name.c_str());
  expect_refused(file.get(), Errc::kUnsupported, "regular file");
}

TEST_P(StreamAdoptOnLinux, WhatHasNoReadinessIsRefused) {
  for (const char* name : {"/dev/null", "/dev/zero", "/tmp"}) {
    const Descriptor descriptor(open(name, O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(descriptor.is_open()) << name;
    expect_refused(descriptor.get(), Errc::kUnsupported, "a device such as /dev/null");
  }
}

TEST_P(StreamAdopt, AListeningSocketIsRefused) {
  const Descriptor socket = bound_socket();
  ASSERT_EQ(plain_kernel().listen(socket.get(), 1), 0);
  expect_refused(socket.get(), errno_code(ENOTCONN), "connected");
}

TEST_P(StreamAdopt, AnUnconnectedSocketIsRefused) {
  const Descriptor socket = bound_socket();
  expect_refused(socket.get(), errno_code(ENOTCONN), "connected");
}

TEST_P(StreamAdopt, WhatIsNoDescriptorIsRefused) {
  const auto refused = adopt(reactor(), 999'999, journal.options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), std::errc::bad_file_descriptor);
  EXPECT_NE(refused.error().message().find("999999"), std::string::npos);
}

EDDY_ON_EVERY_CONFIGURATION(StreamAdopt);
EDDY_ON_EVERY_REAL_CONFIGURATION(StreamAdoptOnLinux);

}  // namespace
}  // namespace eddy::test
