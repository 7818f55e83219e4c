// Time in coroutines: sleeping, and deadlines for whatever is awaited.
//
//   auto line = co_await eddy::within(5s, peer.receive_until("\n", 4096));   // an await
//   auto done = co_await eddy::within(1min, handle(peer));                   // a Task
//   auto all = co_await eddy::within(10s, eddy::scoped(…));                  // a whole scope
//
// A deadline that passes ends each await that is under it with Errc::kTimedOut; those that come
// later, too. What has come in time stays. Threads: the reactor's alone.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/await.h>

#include <errno.h>

#include <chrono>
#include <type_traits>
#include <utility>

namespace eddy {

class Sleep final : public Await {
 public:
  explicit Sleep(std::chrono::nanoseconds delay) : delay_(delay) {}
  explicit Sleep(TimePoint until) : until_(until), is_absolute_(true) {}
  Sleep(Sleep&&) = default;
  ~Sleep() override { Sleep::detach(); }

  bool await_ready() { return cancelled(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    suspend(waiting);
    const TimePoint until = is_absolute_ ? until_ : after(reactor().now(), delay_);
    timer_ = reactor().start_timer_at(until, [this] {
      timer_ = {};
      resume();
    });
    if (!timer_) resume_later(errno_code(ENOMEM));
  }
  [[nodiscard]] Result<void> await_resume() const {
    if (code()) return std::unexpected<Error>(std::in_place, code(), "sleep");
    return {};
  }

 private:
  void detach() override {
    if (timer_) reactor().cancel_timer(std::exchange(timer_, {}));
  }

  std::chrono::nanoseconds delay_{0};
  TimePoint until_{};
  bool is_absolute_ = false;
  TimerId timer_{};
};

// Not early, as all timers. No time at all lets the loop turn once.
[[nodiscard]] inline Sleep sleep_for(std::chrono::nanoseconds delay) { return Sleep(delay); }
[[nodiscard]] inline Sleep sleep_until(TimePoint time) { return Sleep(time); }

template <BindsCancellation Awaitable>
class Within {
 public:
  Within(std::chrono::nanoseconds limit, Awaitable awaitable)
      : limit_(limit), inner_(std::move(awaitable)) {}
  ~Within() { stop(); }
  // Before it is awaited, for another one around it.
  Within(Within&& other) noexcept : limit_(other.limit_), inner_(std::move(other.inner_)) {}
  Within& operator=(Within&&) = delete;

  void bind(Cancellation& outer) {
    cancellation_.bind(outer);
    inner_.bind(cancellation_);
  }
  bool await_ready() { return inner_.await_ready(); }
  auto await_suspend(std::coroutine_handle<> waiting) {
    Reactor& reactor = cancellation_.reactor();
    timer_ = reactor.start_timer(limit_, [this] {
      timer_ = {};
      cancellation_.cancel(make_error_code(Errc::kTimedOut));
    });
    if constexpr (std::is_void_v<decltype(inner_.await_suspend(waiting))>) {
      inner_.await_suspend(waiting);
      limit_suspended();
    } else {
      const bool suspended = inner_.await_suspend(waiting);
      if (suspended) limit_suspended();
      return suspended;
    }
  }
  decltype(auto) await_resume() {
    stop();
    return inner_.await_resume();
  }

 private:
  // Without a timer it might wait for ever.
  void limit_suspended() {
    if (!timer_) cancellation_.cancel(errno_code(ENOMEM));
  }
  void stop() {
    if (timer_) cancellation_.reactor().cancel_timer(std::exchange(timer_, {}));
  }

  const std::chrono::nanoseconds limit_;
  Cancellation cancellation_;  // the inner one's, so before it
  Awaitable inner_;
  TimerId timer_{};
};

// To be awaited where it is made.
template <BindsCancellation Awaitable>
[[nodiscard]] Within<Awaitable> within(std::chrono::nanoseconds limit, Awaitable awaitable) {
  return Within<Awaitable>(limit, std::move(awaitable));
}

}  // namespace eddy
