// What a coroutine waits for, and how its waiting ends: for who writes an await of a new kind.
//
// What it is: an await is an object in the frame of the coroutine that waits, so waiting allocates
// nothing. It lies in the list of a Cancellation, which its Task hands on to it, and in the place
// where what it waits for will find it. It ends by whichever comes first:
//  - What it waits for, in a callback of the loop's: `resume`.
//  - The Cancellation, or a function that some user's code has called: `resume_later`, after the
//    present turn's completions, since a coroutine never goes on inside the call of another one.
//  - The end of its frame, which its destructor tells to what it waits for.
//
// Cancellations are a tree: of a Scope, of the deadlines in it, of the scopes in those.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/error.h>

#include <coroutine>
#include <system_error>

namespace eddy {

class Reactor;
class TaskQueue;

// A member of a list, which it leaves when it is destroyed; and the list itself, of which it is the
// end.
class ListLink {
 public:
  ListLink() = default;
  ListLink(ListLink&& /*in no list*/) noexcept {}
  ~ListLink() { unlink(); }
  ListLink& operator=(ListLink&&) = delete;

  bool is_alone() const { return next_ == this; }  // as a member in no list, as a list empty
  ListLink& front() { return *next_; }
  void push_back(ListLink& link) {
    link.unlink();
    link.previous_ = previous_;
    link.next_ = this;
    previous_->next_ = &link;
    previous_ = &link;
  }
  void unlink() {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = this;
  }

 private:
  ListLink* previous_ = this;
  ListLink* next_ = this;
};

// What is to be run soon, or to be cancelled.
class TaskNode : public ListLink {
 public:
  virtual void run() {}
  virtual void cancel(std::error_code /*why*/) {}

 protected:
  TaskNode() = default;
  TaskNode(TaskNode&&) = default;
  virtual ~TaskNode() = default;
};

class Cancellation final : public TaskNode {
 public:
  Cancellation() = default;
  explicit Cancellation(TaskQueue* queue) : queue_(queue) {}
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;
  ~Cancellation() override = default;
  // A part of `outer` from now on: cancelled with it, or cancelled already.
  void bind(Cancellation& outer);

  // No code: it is not cancelled.
  std::error_code code() const { return code_; }
  // Ends every await in it, with this code, and those that are still to come. The first code stays.
  void cancel(std::error_code why) override;
  void add(TaskNode& node) { nodes_.push_back(node); }

  TaskQueue& queue() const { return *queue_; }
  Reactor& reactor() const;

 private:
  TaskQueue* queue_ = nullptr;
  std::error_code code_;
  ListLink nodes_;
};

// What can be cancelled.
template <typename Awaitable>
concept BindsCancellation =
    requires(Awaitable&& awaitable, Cancellation& cancellation) { awaitable.bind(cancellation); };

// The base of awaits. A derived one has `await_ready`, which looks at `cancelled` before all else,
// `await_suspend`, which begins with `suspend`, and `await_resume`.
class Await : public TaskNode {
 public:
  // By the Task, before `await_ready`.
  void bind(Cancellation& cancellation) { cancellation_ = &cancellation; }

 protected:
  Await() = default;
  Await(Await&&) = default;
  ~Await() override = default;

  // Cancelled: the code that it ends with is set.
  bool cancelled() {
    code_ = cancellation_->code();
    return static_cast<bool>(code_);
  }
  void suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    cancellation_->add(*this);
  }
  // In a callback of the loop's. The last thing that is done with this object.
  void resume() {
    unlink();
    waiting_.resume();
  }
  // Anywhere, once what it waits for has let go of it.
  void resume_later(std::error_code code);
  // What it waits for lets go of it.
  virtual void detach() = 0;

  std::error_code code() const { return code_; }
  void set_code(std::error_code code) { code_ = code; }
  Reactor& reactor() const { return cancellation_->reactor(); }

 private:
  void run() final { waiting_.resume(); }
  void cancel(std::error_code why) final;

  Cancellation* cancellation_ = nullptr;
  std::coroutine_handle<> waiting_;
  std::error_code code_;
};

}  // namespace eddy
