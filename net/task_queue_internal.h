// What a reactor has of a Scope: the coroutines of it that are to go on, and its end.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/core/slot.h>
#include <eddy/net/await.h>

namespace eddy {

class Scope;

// A slot without a descriptor: so that it has memory that outlives what was deferred, and learns of
// the reactor's end.
class TaskQueue final : public Slot {
 public:
  TaskQueue(Reactor& reactor, Scope& scope) : reactor_(reactor), scope_(&scope) {}
  ~TaskQueue() override;

  // Has it run after the present turn's completions, or in the next turn.
  void push(TaskNode& node);
  void abandon() override;
  void flush() override { run(); }
  Reactor& reactor() const { return reactor_; }
  void retire();

 private:
  void run();

  Reactor& reactor_;
  Scope* scope_;
  ListLink due_;
  bool is_scheduled_ = false;
};

}  // namespace eddy
