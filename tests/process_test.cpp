#include <eddy/core/faulty_kernel.h>
#include <eddy/net/process.h>
#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class ProcessTest : public StreamTest {
 public:
  Kernel& kernel() override { return faulty_; }
  FaultyKernel& faulty() { return faulty_; }

  // A child whose output is kept.
  Result<Process> start(std::vector<std::string> command, ProcessOptions options = {}) {
    options.command = std::move(command);
    options.output =
        ChildEnd::pipe({.on_data = [this](Stream&, Slice bytes) { output += bytes.view(); },
                        .on_close = [this](Stream&, std::error_code) { output_ended = true; }});
    if (!options.on_exit) options.on_exit = keep_status();
    return Process::start(reactor(), std::move(options));
  }
  // … which runs to its end.
  void run(std::vector<std::string> command, ProcessOptions options = {}) {
    const auto child = start(std::move(command), std::move(options));
    ASSERT_TRUE(child) << child.error().message();
    EXPECT_EQ(reactor().run(), 0);
    EXPECT_TRUE(status.has_value() && output_ended);
    EXPECT_FALSE(child->is_running());
  }
  void run_shell(const std::string& script, ProcessOptions options = {}) {
    run({"sh", "-c", script}, std::move(options));
  }
  InlineFunction<void(const ExitStatus&)> keep_status() {
    return [this](const ExitStatus& told) {
      EXPECT_FALSE(status) << "told twice";
      status = told;
    };
  }
  static bool has_children() { return waitid(P_ALL, 0, nullptr, WEXITED | WNOHANG | WNOWAIT) == 0; }

  void TearDown() override {
    faulty_.plan().clear();
    EXPECT_FALSE(has_children()) << "not reaped";
    StreamTest::TearDown();
  }

  std::string output;
  bool output_ended = false;
  std::optional<ExitStatus> status;

 private:
  FaultyKernel faulty_{plain_kernel()};
};

// --- Its end

TEST_P(ProcessTest, ItsStatusIsTold) {
  run_shell("exit 7");
  EXPECT_EQ(status, ExitStatus{.code = 7});
  EXPECT_FALSE(status->success());
  EXPECT_EQ(status->to_string(), "ended with status 7");
}

TEST_P(ProcessTest, SuccessIsTold) {
  run({"/bin/true"});
  EXPECT_TRUE(status->success());
}

TEST_P(ProcessTest, TheSignalThatEndedItIsTold) {
  const auto child = start({"sleep", "1000"});
  ASSERT_TRUE(child) << child.error().message();
  EXPECT_TRUE(child->is_running());
  EXPECT_TRUE(child->kill(SIGTERM));
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(status, ExitStatus{.signal = SIGTERM});
  EXPECT_EQ(status->to_string(), "was ended by signal 15 (Terminated)");
  const auto late = child->kill(SIGTERM);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), std::errc::no_such_process);
}

TEST_P(ProcessTest, ManyAtOnceEachHaveTheirStatus) {
  constexpr int kChildren = 20;
  std::vector<int> codes(kChildren, -1);
  for (int i = 0; i < kChildren; ++i) {
    EXPECT_TRUE(Process::start(
        reactor(), {.command = {"sh", "-c", "exit " + std::to_string(i)},
                    .on_exit = [&, i](const ExitStatus& told) { codes[i] = told.code; }}));
  }
  EXPECT_EQ(reactor().run(), 0);
  for (int i = 0; i < kChildren; ++i) EXPECT_EQ(codes[i], i);
}

TEST_P(ProcessTest, WithoutItsHandleItIsReapedAllTheSame) {
  {
    ASSERT_TRUE(Process::start(reactor(), {.command = {"true"}}));
  }
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_FALSE(has_children());
}

TEST_P(ProcessTest, SomebodyElseHasWaitedForIt) {
  const auto child = start({"true"});
  ASSERT_TRUE(child);
  EXPECT_EQ(waitpid(child->id(), nullptr, 0), child->id());
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(status, ExitStatus{.known = false});
  EXPECT_FALSE(status->success());
}

TEST_P(ProcessTest, ItNeedNotKeepTheLoopRunning) {
  const auto child =
      Process::start(reactor(), {.command = {"sleep", "1000"}, .on_exit = keep_status()});
  ASSERT_TRUE(child);
  child->set_keeps_alive(false);
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_TRUE(child->is_running());
  EXPECT_TRUE(child->kill(SIGKILL));
  EXPECT_TRUE(run_until([&] { return status.has_value(); }));
}

TEST_P(ProcessTest, TheReactorMayGoFirst) {
  auto child = Process::start(reactor(), {.command = {"sleep", "1000"}, .on_exit = keep_status()});
  ASSERT_TRUE(child);
  destroy_reactor();
  EXPECT_TRUE(child->kill(SIGKILL));
  const pid_t id = child->id();
  *child = Process();
  int told = 0;
  EXPECT_TRUE(waitpid(id, &told, 0) == id || errno == ECHILD);
  EXPECT_FALSE(status);
}

// --- Its descriptors

TEST_P(ProcessTest, ItIsFedAndReadThroughPipes) {
  const auto child = start({"cat"}, {.input = ChildEnd::pipe({})});
  ASSERT_TRUE(child) << child.error().message();
  const std::string text(1 << 20, 'x');
  EXPECT_TRUE(child->input().send(text));
  child->input().shutdown_write();
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_EQ(output, text);
  EXPECT_TRUE(status->success());
}

TEST_P(ProcessTest, ErrorsHaveAPipeOfTheirOwn) {
  std::string errors;
  run_shell("echo out; echo err >&2",
            {.errors = ChildEnd::pipe(
                 {.on_data = [&](Stream&, Slice bytes) { errors += bytes.view(); }})});
  EXPECT_EQ(output, "out\n");
  EXPECT_EQ(errors, "err\n");
}

TEST_P(ProcessTest, NothingIsDevNull) {
  run_shell("cat; readlink /proc/self/fd/0");
  EXPECT_EQ(output, "/dev/null\n");
}

TEST_P(ProcessTest, ItHasWhatItIsGivenAndNothingElse) {
  const Descriptor forgotten(open("/dev/zero", O_RDONLY));  // NOLINT: not close-on-exec
  int pipe[2] = {-1, -1};
  ASSERT_EQ(plain_kernel().pipe(pipe, O_CLOEXEC), 0);
  const Descriptor reads(pipe[0]), writes(pipe[1]);
  run_shell("ls /proc/self/fd | tr '\\n' ' '; echo seven >&7", {.inherit = {{7, writes.get()}}});
  // 3 is ls's own, of the folder.
  EXPECT_EQ(output, "0 1 2 3 7 ");
  char text[16] = "";
  EXPECT_EQ(plain_kernel().read(reads.get(), text, sizeof text), 6);
  EXPECT_STREQ(text, "seven\n");
}

TEST_P(ProcessTest, DescriptorsMayChangePlaces) {
  int pipe[2] = {-1, -1};
  int other[2] = {-1, -1};
  ASSERT_EQ(plain_kernel().pipe(pipe, O_CLOEXEC), 0);
  ASSERT_EQ(plain_kernel().pipe(other, O_CLOEXEC), 0);
  const Descriptor first(pipe[0]), first_end(pipe[1]), second(other[0]), second_end(other[1]);
  const int a = first_end.get();
  const int b = second_end.get();
  run_shell("echo a >&" + std::to_string(b) + "; echo b >&" + std::to_string(a),
            {.inherit = {{a, b}, {b, a}}});
  char text[4] = "";
  EXPECT_EQ(plain_kernel().read(first.get(), text, sizeof text), 2);
  EXPECT_STREQ(text, "a\n");
  EXPECT_EQ(plain_kernel().read(second.get(), text, sizeof text), 2);
  EXPECT_STREQ(text, "b\n");
}

// --- What it begins with

TEST_P(ProcessTest, ItsEnvironmentIsTheOneItIsGiven) {
  run({"/usr/bin/env"}, {.environment = {{"EDDY_TEST=yes", "OTHER="}}});
  EXPECT_EQ(output, "EDDY_TEST=yes\nOTHER=\n");
}

TEST_P(ProcessTest, ItsEnvironmentIsOursOtherwise) {
  setenv("EDDY_TEST_OURS", "here", 1);
  run_shell("echo $EDDY_TEST_OURS");
  unsetenv("EDDY_TEST_OURS");
  EXPECT_EQ(output, "here\n");
}

TEST_P(ProcessTest, ItsDirectory) {
  run({"pwd"}, {.directory = "/usr/bin"});
  EXPECT_EQ(output, "/usr/bin\n");
}

TEST_P(ProcessTest, NoSignalIsBlockedOrIgnored) {
  sigset_t pipe_signal, before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const auto handler = signal(SIGPIPE, SIG_IGN);
  run({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"});
  signal(SIGPIPE, handler);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  // The C library keeps 32 and 33 to itself.
  EXPECT_THAT(output, MatchesRegex("SigBlk:\t0{16}\nSigIgn:\t0{7}[01][08]0{7}\n"));
}

// --- What cannot be started

TEST_P(ProcessTest, AProgramThatIsNotThereIsTold) {
  for (const char* name : {"/no/such/program", "no-such-program-at-all"}) {
    const auto child = start({name});
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code(), std::errc::no_such_file_or_directory);
    EXPECT_THAT(child.error().message(), HasSubstr(name));
  }
  EXPECT_EQ(reactor().run(), 0);
  EXPECT_FALSE(status);
}

TEST_P(ProcessTest, WhatIsNoProgramIsTold) {
  const auto child = start({"/usr/bin"});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().code(), std::errc::permission_denied);
}

TEST_P(ProcessTest, ADirectoryThatIsNotThereIsTold) {
  const auto child = start({"true"}, {.directory = "/no/such/directory"});
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().code(), std::errc::no_such_file_or_directory);
  EXPECT_THAT(child.error().message(), HasSubstr("/no/such/directory"));
}

TEST_P(ProcessTest, WhatMakesNoSenseIsRefused) {
  for (const std::vector<std::string>& bad :
       {std::vector<std::string>{}, {""}, {"true", std::string("a\0b", 3)}}) {
    const auto child = start(bad);
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code(), std::errc::invalid_argument);
  }
  EXPECT_FALSE(start({"true"}, {.inherit = {{2, 0}}}));
  EXPECT_FALSE(start({"true"}, {.inherit = {{5, 0}, {5, 1}}}));
  EXPECT_FALSE(start({"true"}, {.inherit = {{5, 1'000'000}}})) << "it is not open";
}

TEST_P(ProcessTest, EachCallThatFailsIsAnErrorAndLeavesNothing) {
  reactor();
  for (const auto& [call, error] : {std::pair{SystemCall::kPipe, EMFILE},
                                    {SystemCall::kSpawn, EAGAIN},
                                    {SystemCall::kOpen, ENFILE},
                                    {SystemCall::kDescriptorKind, ENOMEM}}) {
    for (const uint64_t after : {0U, 1U}) {
      faulty().plan().fail(call, error, {.after = after});
      const size_t before = machine().open_descriptors();
      const auto child = start({"sleep", "1000"});
      if (child) {
        EXPECT_TRUE(child->kill(SIGKILL));
      } else {
        EXPECT_EQ(child.error().code(), errno_code(error));
      }
      EXPECT_TRUE(
          run_until([&] { return !has_children() && machine().open_descriptors() == before; }));
      faulty().plan().clear();
      status.reset();
    }
  }
}

// A simulated host has no processes.
EDDY_ON_EVERY_REAL_CONFIGURATION(ProcessTest);

TEST(ProcessInAWorld, ThereAreNone) {
  sim::World world(1);
  Reactor reactor(world.host("10.0.0.1"));
  const auto child = Process::start(reactor, {.command = {"true"}});
  ASSERT_FALSE(child);
}

}  // namespace
}  // namespace eddy::test
