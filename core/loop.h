// A loop whose turns another one may drive.
//
// What it is: how a Reactor shows itself to its Kernel. Linux does nothing with it: there a loop
// runs itself. A simulated kernel drives the turns of many loops in one thread, as its own time
// passes.
//
// Threads: one at a time.
#pragma once

#include <stdint.h>

namespace eddy {

class Loop {
 public:
  // One turn that does not wait, and then what is done before a sleep.
  virtual void drive() = 0;
  // A turn would find something to do, whatever the kernel has for it.
  virtual bool has_work() const = 0;
  // A turn is under way: its own thread, somewhere up the stack, is in it.
  virtual bool in_turn() const = 0;
  // When a turn is due though nothing comes, in the kernel's monotonic time; INT64_MAX is never.
  virtual int64_t due_ns() = 0;

 protected:
  ~Loop() = default;
};

}  // namespace eddy
