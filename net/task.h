// Coroutines.
//
//   eddy::Task<> echo(eddy::AsyncStream peer) {
//     while (auto bytes = co_await peer.receive()) {
//       if (!co_await peer.send(std::move(*bytes))) break;
//     }
//   }
//
// What it is: Task<T> is what a coroutine returns that may await what eddy has: async_stream.h,
// async_listener.h, async_connector.h, async_timer.h. It is lazy: nothing of it runs before it is
// awaited, `co_await echo(…)`, or spawned, `scope.spawn(echo(…))` (scope.h). It may await whatever
// else is awaitable too, which then knows nothing of cancellation.
//
// Ownership: a Task owns its frame, and what is in it. Destroying it ends the coroutine where it
// stands, as if by return: its locals are destroyed, what it awaits lets go of it.
//
// Cancellation: a Task has a Cancellation (await.h), its scope's or that of a deadline
// (async_timer.h), and hands it on to what it awaits. Once that is cancelled, each await in it,
// also a later one, ends at once with its code: std::errc::operation_canceled, Errc::kTimedOut. So
// a loop has to look at what its awaits return.
//
// Failure: results are values. An exception that leaves a coroutine ends the program. Without
// memory for its frame, a Task is empty: spawning it is refused, and awaiting it gives ENOMEM where
// T is a Result, and ends the program where it is not.
//
// Memory: a frame is one allocation; awaiting allocates nothing.
//
// Traps, of the language's making:
//  - Parameters by reference and string_views must outlive the Task. Take by value what a spawned
//    coroutine needs.
//  - A lambda's captures lie in the lambda, not in the frame. Where a coroutine is a lambda with
//    captures, give the lambda to `spawn`, not its Task: `scope.spawn([&] -> Task<> {…})`, which
//    keeps it.
//  - GCC 12 destroys some things twice or not at all: a designated initialiser with temporaries in
//    it, or a conditional operator, in the same expression as a co_await. Name them before.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/check.h>
#include <eddy/net/await.h>
#include <errno.h>

#include <concepts>
#include <coroutine>
#include <exception>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace eddy {

template <typename T>
class Task;
class Scope;

// What is awaited, where it lies: GCC 12 would move it, were it given by reference.
template <typename Awaitable>
class Bound {
 public:
  explicit Bound(Awaitable& awaitable) : awaitable_(awaitable) {}
  bool await_ready() { return awaitable_.await_ready(); }
  auto await_suspend(std::coroutine_handle<> waiting) { return awaitable_.await_suspend(waiting); }
  decltype(auto) await_resume() { return awaitable_.await_resume(); }

 private:
  std::remove_reference_t<Awaitable>& awaitable_;
};

// Among the children of a scope.
class SiblingLink : public ListLink {};

// What the frames of all Tasks have in common. For a spawned one it is what the queue runs: first
// to start it, and then to end it.
class TaskPromiseBase : public TaskNode, public SiblingLink {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }
  class Finish {
   public:
    explicit Finish(TaskPromiseBase& promise) : promise_(promise) {}
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> /*finished*/) noexcept {
      return promise_.finished();
    }
    void await_resume() const noexcept {}

   private:
    TaskPromiseBase& promise_;
  };
  Finish final_suspend() noexcept { return Finish(*this); }
  void unhandled_exception() noexcept { std::terminate(); }
  template <BindsCancellation Awaitable>
  Bound<Awaitable> await_transform(Awaitable&& awaitable) noexcept {
    awaitable.bind(*cancellation_);
    return Bound<Awaitable>(awaitable);
  }
  template <typename Awaitable>
  Awaitable&& await_transform(Awaitable&& awaitable) noexcept {
    return std::forward<Awaitable>(awaitable);
  }

  // It is awaited by another coroutine, or a child of a scope.
  void bind(Cancellation& cancellation) { cancellation_ = &cancellation; }
  void set_awaiting(std::coroutine_handle<> awaiting) { awaiting_ = awaiting; }
  void start_in(Scope& scope, Cancellation& cancellation);
  virtual std::coroutine_handle<> handle() = 0;

 protected:
  TaskPromiseBase() = default;
  ~TaskPromiseBase() override = default;
  // The error that a finished Task has returned.
  virtual const Error* error() = 0;

 private:
  void run() final;
  std::coroutine_handle<> finished() noexcept;

  Cancellation* cancellation_ = nullptr;
  std::coroutine_handle<> awaiting_;
  Scope* scope_ = nullptr;
};

template <typename T>
class TaskPromise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  static Task<T> get_return_object_on_allocation_failure() noexcept;
  void return_value(T value) noexcept { value_.emplace(std::move(value)); }
  T take() { return std::move(*value_); }
  std::coroutine_handle<> handle() override {
    return std::coroutine_handle<TaskPromise>::from_promise(*this);
  }

 private:
  const Error* error() override {
    if constexpr (std::same_as<T, Result<void>>) return *value_ ? nullptr : &value_->error();
    return nullptr;
  }
  std::optional<T> value_;
};

template <>
class TaskPromise<void> final : public TaskPromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  static Task<void> get_return_object_on_allocation_failure() noexcept;
  void return_void() noexcept {}
  void take() {}
  std::coroutine_handle<> handle() override {
    return std::coroutine_handle<TaskPromise>::from_promise(*this);
  }

 private:
  const Error* error() override { return nullptr; }
};

template <typename T>
inline constexpr bool kIsResult = false;
template <typename T>
inline constexpr bool kIsResult<Result<T>> = true;

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = TaskPromise<T>;

  Task() = default;  // empty
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool is_empty() const { return frame_ == nullptr; }

  // --- Awaiting: once, by one coroutine.
  void bind(Cancellation& cancellation) {
    if (frame_) frame_.promise().bind(cancellation);
  }
  bool await_ready() const noexcept { return frame_ == nullptr; }
  // Starting is a call, and only finishing later a transfer: so a loop over tasks that never have
  // to wait needs no more stack, whether or not the compiler makes tail calls.
  bool await_suspend(std::coroutine_handle<> awaiting) {
    frame_.resume();
    if (frame_.done()) return false;
    frame_.promise().set_awaiting(awaiting);
    return true;
  }
  T await_resume() {
    if (frame_ != nullptr) [[likely]]
      return frame_.promise().take();
    if constexpr (kIsResult<T>) {
      return failure(-ENOMEM, "co_await");
    } else {
      fail_requirement(
          "an empty Task was awaited: there was no memory for it, or it was moved from");
    }
  }

 private:
  friend promise_type;
  friend Scope;
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}

  std::coroutine_handle<promise_type> frame_;
};

template <typename T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
template <typename T>
Task<T> TaskPromise<T>::get_return_object_on_allocation_failure() noexcept {
  return {};
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object_on_allocation_failure() noexcept {
  return {};
}

}  // namespace eddy
