// A wake-up that a signal handler may give.
//
// What it is: a callback, registered beforehand on the loop's thread, and notify(), which has the
// callback run there by the loop's next drain of its mailbox. Calls of notify() that come before
// the callback runs are one callback, which is told how many they were. notify() allocates nothing,
// takes no lock and keeps errno: it is async-signal-safe (signal-safety(7)) as long as the
// mailbox's Waker is.
//
// Threads: made, moved and destroyed on the loop's thread, within its own callback too; notify()
// from any thread and any signal handler, but not after the destructor has begun. So a signal
// handler that uses a Notifier is taken out (sigaction(2)), or its signal blocked, before that. A
// Notifier may be destroyed after its mailbox.
#pragma once

#include <stdint.h>

#include <functional>
#include <memory>

namespace eddy {

class Mailbox;

class Notifier {
 public:
  using Callback = std::move_only_function<void(uint64_t notifications)>;

  // The mailbox must outlive every call of notify().
  Notifier(Mailbox& mailbox, Callback callback);
  Notifier(Notifier&&) noexcept = default;
  Notifier& operator=(Notifier&&) noexcept = default;
  ~Notifier() = default;

  // Has the callback run once more. In a closed mailbox, nothing happens.
  void notify() const noexcept;

 private:
  struct State;
  struct Detach {
    void operator()(State* state) const noexcept;
  };
  std::unique_ptr<State, Detach> state_;
};

}  // namespace eddy
