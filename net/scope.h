// Structured concurrency: coroutines that run at once, and end together.
//
//   eddy::Reactor reactor;
//   eddy::Scope scope(reactor);
//   scope.spawn(serve(listener));     // Task<> or Task<Result<void>>
//   return reactor.run();
//
// and in a coroutine, which waits for its children:
//
//   auto done = co_await eddy::scoped([&](eddy::Scope& children) -> eddy::Task<> {
//     children.spawn(read(peer));
//     co_await write(peer);
//   });
//
// What it is: every coroutine that is not awaited by another is the child of a Scope. A child
// starts after the present turn's completions, never inside `spawn`, and does not outlive its
// scope: who destroys a Scope destroys the frames of the children that are left. A Scope in a
// coroutine is to be joined before that, which `scoped` does; nested ones are cancelled with the
// outer one.
//
// Failure: the first child that returns an error cancels the others, and the error is the scope's:
// `error`, `join`. Children that are a Task<> have no errors to return; so those of a server, whose
// connections are not to end each other.
//
// Ownership: who declares the Scope, after the reactor: the reactor's end, too, destroys the frames
// that are left, and a Scope may be destroyed after it, but not used. A child must not destroy its
// own scope. Waiting coroutines do not keep `Reactor::run` from returning; what they wait for does.
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/time.h>
#include <eddy/core/timer_wheel.h>
#include <eddy/net/task.h>
#include <stddef.h>

#include <chrono>
#include <functional>
#include <optional>
#include <tuple>
#include <utility>

namespace eddy {

class Scope {
 public:
  explicit Scope(Reactor& reactor);
  explicit Scope(Cancellation& outer);  // `co_await this_cancellation()`
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // False: no memory, or the reactor's set-up has failed.
  template <typename T>
    requires std::same_as<T, void> || std::same_as<T, Result<void>>
  bool spawn(Task<T> task) {
    if (task.is_empty() || queue_ == nullptr) return false;
    adopt(std::exchange(task.frame_, nullptr).promise());
    return true;
  }
  // Calls it with these arguments, and keeps it and them for as long as the coroutine.
  template <typename Callable, typename... Arguments>
    requires std::invocable<Callable&, Arguments...>
  bool spawn(Callable callable, Arguments... arguments) {
    return spawn(keep(std::move(callable), std::move(arguments)...));
  }

  // All awaits of all children end with this code.
  void cancel(std::error_code why = std::make_error_code(std::errc::operation_canceled)) {
    cancellation_.cancel(why);
  }
  bool is_cancelled() const { return static_cast<bool>(cancellation_.code()); }

  size_t size() const { return size_; }  // children that have not ended
  // The first that a child has returned.
  const std::optional<Error>& error() const { return error_; }

  // Waits until there are no children: the first error of theirs, else the reason of the
  // cancellation, if it was cancelled. Is not cut short when it is cancelled itself: the children
  // are, and are waited for. By one coroutine at a time.
  class Join {
   public:
    explicit Join(Scope& scope) : scope_(scope) {}
    bool await_ready() const { return scope_.size_ == 0; }
    void await_suspend(std::coroutine_handle<> waiting) { scope_.joining_ = waiting; }
    [[nodiscard]] Result<void> await_resume() const { return scope_.result(); }

   private:
    Scope& scope_;
  };
  [[nodiscard]] Join join() { return Join(*this); }

 private:
  friend class TaskQueue;
  friend class TaskPromiseBase;

  template <typename Callable, typename... Arguments>
  static std::invoke_result_t<Callable&, Arguments...> keep(Callable callable,
                                                            Arguments... arguments) {
    co_return co_await std::invoke(callable, std::move(arguments)...);
  }
  void adopt(TaskPromiseBase& promise);
  void ended(TaskPromiseBase& promise, const Error* error);
  void destroy_children();
  Result<void> result() const;

  TaskQueue* queue_;
  const bool is_outermost_;
  Cancellation cancellation_;
  ListLink children_;
  size_t size_ = 0;
  std::coroutine_handle<> joining_;
  std::optional<Error> error_;
};

// The Cancellation of the coroutine that awaits this.
class ThisCancellation {
 public:
  void bind(Cancellation& cancellation) { cancellation_ = &cancellation; }
  bool await_ready() const { return true; }
  void await_suspend(std::coroutine_handle<>) const {}
  Cancellation& await_resume() const { return *cancellation_; }

 private:
  Cancellation* cancellation_ = nullptr;
};
[[nodiscard]] inline ThisCancellation this_cancellation() { return {}; }

// Runs `body(scope)`, a Task, as the first child of a new scope, and waits for all children.
template <typename Body>
Task<Result<void>> scoped(Body body) {
  Scope scope(co_await this_cancellation());
  if (!scope.spawn(body(scope))) co_return failure(-ENOMEM, "scoped");
  co_return co_await scope.join();
}

}  // namespace eddy
