// Calls that know no MSG_NOSIGNAL, without the signal.
#pragma once

#include <eddy/core/check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include <atomic>

namespace eddy {

// What ignore_sigpipe has promised, and whether it is kept.
extern std::atomic<bool> sigpipe_ignored;
bool ignores_sigpipe();

// `call` returns a negative errno where it fails. (Linux has RWF_NOSIGNAL since 6.18, for writev
// alone.) SIGPIPE is blocked around the call, and the one that it raised is taken back. One
// that was pending before stays: that can only be where the caller had it blocked already.
template <typename Call>
ssize_t without_sigpipe(Call&& call) {
  if (sigpipe_ignored.load(std::memory_order_relaxed)) {
    EDDY_REQUIRE(ignores_sigpipe(), "SIGPIPE is not ignored any more, after ignore_sigpipe");
    return call();
  }
  sigset_t pipe_signal, previous;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &previous);
  const bool was_blocked = sigismember(&previous, SIGPIPE) == 1;
  bool was_pending = false;
  if (was_blocked) {
    sigset_t pending;
    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE) == 1;
  }
  const ssize_t result = call();
  if (result == -EPIPE && !was_pending) {
    const timespec at_once = {};
    while (sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  if (!was_blocked) pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  return result;
}

}  // namespace eddy
