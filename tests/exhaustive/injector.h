// What makes one thing fail in a run: the n-th system call or operation of the ring, or the n-th
// allocation, of those that eddy asks for while it is armed.
#pragma once

#include <eddy/core/faulty_kernel.h>
#include <stddef.h>

#include <memory>
#include <string>

namespace eddy::test {

class Injector {
 public:
  virtual ~Injector() = default;
  // A run begins, with a fault to be made; and has ended: nothing of it is left.
  virtual void begin() {}
  virtual void end() {}
  // Of one run: what reactors run on.
  virtual Kernel& kernel() = 0;
  virtual void arm(bool on) = 0;
  // The fault has been made in this run.
  virtual bool fired() const = 0;
  // What failed, for a message.
  virtual std::string what() const = 0;
  // Goes on to the next fault. False when the run that is over had none, so all have been made.
  virtual bool next() = 0;
};

// Each call that can fail, with each of the errors that it may fail with; of io_uring each
// submission.
std::unique_ptr<Injector> make_call_injector();
// Each call of operator new.
std::unique_ptr<Injector> make_allocation_injector();

// On for a scope: around what is eddy's, not the test's.
class Armed {
 public:
  Armed(Injector& injector, bool on) : injector_(injector) { injector_.arm(on); }
  ~Armed() { injector_.arm(false); }
  Armed(const Armed&) = delete;
  Armed& operator=(const Armed&) = delete;

 private:
  Injector& injector_;
};

}  // namespace eddy::test
