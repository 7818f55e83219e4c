// ignore_sigpipe is for the rest of a process's life: this program has one test.
#include <eddy/core/linux_kernel.h>
#include <eddy/core/sigpipe.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/uio.h>

namespace eddy::test {
namespace {

// Pipes of which one ends at nobody: everything that writes to it meets EPIPE.
class BrokenPipe {
 public:
  BrokenPipe() {
    EXPECT_EQ(kernel_.pipe(source_, O_CLOEXEC | O_NONBLOCK), 0);
    EXPECT_EQ(kernel_.pipe(target_, O_CLOEXEC | O_NONBLOCK), 0);
    kernel_.close(target_[0]);
    file_ = kernel_.open("/proc/self/exe", O_RDONLY, 0);
  }
  ~BrokenPipe() {
    for (const int fd : {source_[0], source_[1], target_[1], file_}) kernel_.close(fd);
  }
  BrokenPipe(const BrokenPipe&) = delete;
  BrokenPipe& operator=(const BrokenPipe&) = delete;

  void meet_in_each_call() {
    char bytes[] = "lost";
    const iovec piece = {bytes, sizeof bytes};
    EXPECT_EQ(kernel_.writev(target_[1], &piece, 1), -EPIPE);
    EXPECT_EQ(kernel_.writev(source_[1], &piece, 1), ssize_t{sizeof bytes});
    EXPECT_EQ(kernel_.splice_from_pipe(source_[0], target_[1], sizeof bytes), -EPIPE);
    int64_t offset = 0;
    EXPECT_EQ(kernel_.sendfile(target_[1], file_, offset, 1), -EPIPE);
    EXPECT_EQ(offset, 0);
  }

 private:
  Kernel& kernel_ = linux_kernel();
  int source_[2] = {-1, -1};
  int target_[2] = {-1, -1};
  int file_ = -1;
};

auto disposition() {
  struct sigaction action = {};
  sigaction(SIGPIPE, nullptr, &action);
  return action.sa_handler;
}

// The thread's, and what waits for it.
void expect_no_trace() {
  sigset_t blocked;
  sigset_t pending;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  sigpending(&pending);
  EXPECT_EQ(sigismember(&blocked, SIGPIPE), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(Sigpipe, IsNotRaisedWhetherOrNotItIsIgnored) {
  ASSERT_EQ(disposition(), SIG_DFL);
  BrokenPipe().meet_in_each_call();
  expect_no_trace();
  EXPECT_EQ(disposition(), SIG_DFL);

  ignore_sigpipe();
  EXPECT_EQ(disposition(), SIG_IGN);
  BrokenPipe().meet_in_each_call();
  expect_no_trace();
#ifndef NDEBUG
  signal(SIGPIPE, SIG_DFL);
  EXPECT_DEATH(BrokenPipe().meet_in_each_call(), "SIGPIPE is not ignored any more");
#endif
}

}  // namespace
}  // namespace eddy::test
