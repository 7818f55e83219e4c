#include <eddy/net/scope.h>
#include <eddy/net/task_queue_internal.h>

namespace eddy {

// --- Cancellations and awaits

void Cancellation::bind(Cancellation& outer) {
  queue_ = outer.queue_;
  code_ = outer.code_;
  if (!code_) outer.add(*this);
}

void Cancellation::cancel(std::error_code why) {
  if (code_) return;
  code_ = why;
  while (!nodes_.is_alone()) {
    auto& node = static_cast<TaskNode&>(nodes_.front());
    node.unlink();
    node.cancel(why);
  }
}

Reactor& Cancellation::reactor() const { return queue_->reactor(); }

void Await::resume_later(std::error_code code) {
  code_ = code;
  cancellation_->queue().push(*this);
}

void Await::cancel(std::error_code why) {
  detach();
  resume_later(why);
}

// --- The queue

void TaskQueue::push(TaskNode& node) {
  due_.push_back(node);
  if (is_scheduled_) return;
  is_scheduled_ = true;
  // The slot's place is a slot's for as long as the reactor lives, though perhaps another's.
  const bool deferred = reactor_.defer([this, used = generation] {
    if (generation == used) run();
  });
  if (!deferred) reactor_.turn().want_flush(*this);
}

// What joins the queue meanwhile has its turn in the next one.
void TaskQueue::run() {
  is_scheduled_ = false;
  ListLink due;
  while (!due_.is_alone()) due.push_back(due_.front());
  while (!due.is_alone()) {
    auto& node = static_cast<TaskNode&>(due.front());
    node.unlink();
    node.run();
  }
}

void TaskQueue::retire() {
  scope_ = nullptr;
  reactor_.retire(*this);
}

// In a child of fork(2), where nobody abandons: the frames are the parent's, and stay as they are.
TaskQueue::~TaskQueue() {
  if (scope_ != nullptr) scope_->queue_ = nullptr;
}

void TaskQueue::abandon() {
  if (scope_ == nullptr) return;
  scope_->destroy_children();
  scope_->queue_ = nullptr;
  retire();
}

// --- Tasks

void TaskPromiseBase::start_in(Scope& scope, Cancellation& cancellation) {
  scope_ = &scope;
  cancellation_ = &cancellation;
  cancellation.queue().push(*this);
}

// The frame is destroyed from the queue: here it is still on the stack.
std::coroutine_handle<> TaskPromiseBase::finished() noexcept {
  if (scope_ != nullptr) cancellation_->queue().push(*this);
  return awaiting_ ? awaiting_ : std::noop_coroutine();
}

void TaskPromiseBase::run() {
  if (!handle().done()) return handle().resume();
  scope_->ended(*this, error());
}

// --- Scopes

Scope::Scope(Reactor& reactor)
    : queue_(reactor.error() ? nullptr : reactor.make_slot<TaskQueue>(0, reactor, *this)),
      is_outermost_(true),
      cancellation_(queue_) {
  if (queue_ != nullptr) reactor.set_keeps_alive(*queue_, false);
}

Scope::Scope(Cancellation& outer) : queue_(&outer.queue()), is_outermost_(false) {
  cancellation_.bind(outer);
}

Scope::~Scope() {
  if (queue_ == nullptr) return;  // perhaps the reactor is gone
  destroy_children();
  if (is_outermost_) queue_->retire();
}

void Scope::adopt(TaskPromiseBase& promise) {
  children_.push_back(static_cast<SiblingLink&>(promise));
  ++size_;
  promise.start_in(*this, cancellation_);
}

void Scope::ended(TaskPromiseBase& promise, const Error* error) {
  if (error != nullptr && !error_) {
    error_ = *error;
    cancel();
  }
  promise.handle().destroy();
  if (--size_ == 0 && joining_) std::exchange(joining_, nullptr).resume();
}

void Scope::destroy_children() {
  while (!children_.is_alone()) {
    auto& child = static_cast<SiblingLink&>(children_.front());
    child.unlink();
    static_cast<TaskPromiseBase&>(child).handle().destroy();
    --size_;
  }
}

Result<void> Scope::result() const {
  if (error_) return std::unexpected(*error_);
  if (is_cancelled()) return std::unexpected<Error>(std::in_place, cancellation_.code(), "join");
  return {};
}

}  // namespace eddy
