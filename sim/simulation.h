// The inside of a world: its time, its chance, its hosts and the loops that run on them.
//
// What it is: what every part of the simulated kernel shares. The public face is sim/world.h.
//
// Time passes only here: a step is a turn of a loop that has something to do, or the passing of
// time to what is due next. A call that blocks (a wait of epoll, an enter of io_uring, a blocking
// connect) makes steps until it may return, so one thread runs everything.
#pragma once

#include <eddy/core/loop.h>
#include <eddy/sim/faults.h>
#include <eddy/sim/file.h>
#include <eddy/sim/schedule.h>
#include <eddy/sim/tape.h>
#include <eddy/sim/trace.h>
#include <stdint.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace eddy::sim {

class HostKernel;
class NameServer;
class Network;

class Simulation {
 public:
  // The world begins here rather than at zero, which code might take for "never".
  static constexpr int64_t kBeginningNs = 1'000'000'000;
  static constexpr int64_t kNever = Schedule::kNever;
  static constexpr int64_t kTurnNs = 1'000;

  Simulation(uint64_t seed, Tape tape);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  const uint64_t seed;
  std::string impossible;             // why nothing runs in this world
  uint64_t most_events = UINT64_MAX;  // what waits when there were so many, ends as in a deadlock
  Tape tape;
  Faults faults{tape};
  Trace trace;
  Schedule schedule;
  std::unique_ptr<Network> network;
  std::unique_ptr<NameServer> names;

  int64_t now_ns() const { return now_ns_; }
  // At the end of time rather than past it.
  static int64_t later(int64_t moment_ns, int64_t by_ns) {
    return by_ns > kNever - moment_ns ? kNever : moment_ns + by_ns;
  }
  int64_t wall_ns() const { return now_ns_ + wall_offset_ns_; }
  void jump_wall_clock(int64_t by_ns);
  void after(int64_t delay_ns, InlineFunction<void()> action) {
    schedule.at(now_ns_ + delay_ns, std::move(action));
  }
  // Whether this fault strikes here and now; noted if it does.
  bool strikes(Fault fault, const HostKernel& host);
  void note(const HostKernel& host, const char* event, std::initializer_list<int64_t> values);

  // --- Loops
  void attach(HostKernel& host, Loop& loop);
  void detach(Loop& loop);
  bool has_loops(const HostKernel& host) const;
  // Code outside the loops has run, and may have changed any of them.
  void refresh();
  // The loop of this host that is in its turn waits for this file (an epoll instance or a ring).
  void waits_on(const HostKernel& host, const FileRef& file);
  // The host's loops, as they are now, make no turn any more: their process has died.
  void bury(const HostKernel& host);
  // The host's loops make no turns until then.
  void stall(const HostKernel& host, int64_t until_ns);
  int64_t stalled_until_ns(const HostKernel& host) const;

  // --- Time
  // What is due by now happens. Called at the beginning of each system call.
  void settle();
  enum class Waited : uint8_t { kReady, kTimedOut, kDeadlocked };
  // Steps until `ready` holds or the deadline has passed. kDeadlocked: there is no deadline and
  // nothing will ever happen again, or too much has happened; what everybody waits for is printed.
  Waited wait(int64_t deadline_ns, const std::function<bool()>& ready);
  // A call that would wait, but may not, found nothing: a little time passes, so that a loop that
  // polls gets on.
  void idle();
  // … and one that found something: its turn takes time too, or a loop that always has something to
  // do would stand still in time.
  void busy() { now_ns_ += kTurnNs; }
  std::string describe() const;
  // Something that Linux would not let a correct program do or see. The first one is kept.
  void violation(std::string what);
  const std::string& violations() const { return violations_; }

 private:
  struct Driven {
    HostKernel* host;
    Loop* loop;
    std::weak_ptr<File> waits_on;
    bool fresh = true;  // has not run, or others may have changed it
    int64_t stalled_until_ns = 0;
    bool dead = false;
  };

  bool step(int64_t limit_ns);
  bool runnable(const Driven& driven) const;
  Driven* pick();
  void drive(Driven& driven);
  std::string describe(const Driven& driven) const;
  int64_t next_due_ns();
  Waited end(const char* why);

  int64_t now_ns_ = kBeginningNs;
  int64_t wall_offset_ns_ = 1'700'000'000'000'000'000;
  std::vector<std::unique_ptr<Driven>> loops_;
  std::vector<Driven*> driving_;  // innermost last
  std::vector<Driven*> candidates_;
  bool settling_ = false;
  bool has_ended_ = false;
  std::string violations_;
};

}  // namespace eddy::sim
