// The least loop that a Mailbox can serve: an eventfd and poll(2).
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

#include <eddy/core/mailbox.h>

namespace eddy::test {

class EventfdLoop final : public Waker {
 public:
  ~EventfdLoop() { close(fd_); }

  void wake() noexcept override {
    wakes.fetch_add(1, std::memory_order_relaxed);
    eventfd_write(fd_, 1);
  }

  // One turn; false if nothing came in 20 s, which in these tests can only be a wake-up that was
  // lost.
  bool turn(Mailbox& mailbox) {
    const bool may_sleep = mailbox.prepare_sleep();
    const bool woken = wait(may_sleep ? 20'000 : 0);
    mailbox.woken();
    const size_t ran = mailbox.drain();
    return woken || !may_sleep || ran > 0;
  }

  // Waits for a wake() and takes it back.
  bool wait(int timeout_ms) const {
    pollfd entry = {.fd = fd_, .events = POLLIN, .revents = 0};
    eventfd_t value = 0;
    return poll(&entry, 1, timeout_ms) == 1 && eventfd_read(fd_, &value) == 0;
  }

  std::atomic<int> wakes{0};

 private:
  const int fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

}  // namespace eddy::test
