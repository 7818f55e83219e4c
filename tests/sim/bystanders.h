// What else goes on in a loop while it serves: timers that are cancelled and restarted, a watched
// pipe, posts, deferred work and signals. Each counts what was asked for, and what came.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/sim/tape.h>
#include <eddy/sim/world.h>

#include <map>

#include "journal.h"
#include "plan.h"

namespace eddy::test {

class Bystanders {
 public:
  Bystanders(Reactor& reactor, sim::Host host, uint64_t seed, Failures& failures);
  ~Bystanders();
  Bystanders(const Bystanders&) = delete;
  Bystanders& operator=(const Bystanders&) = delete;

  // Begins nothing new; everything that was begun comes to its end.
  void finish();
  bool is_over() const;
  std::string waits_for() const;

 private:
  struct Timer {
    TimerId id{};
    TimePoint deadline{};
  };
  void act();
  void start_timer();
  void timer_fired(uint64_t number);
  void cancel_some_timer();
  void restart_some_timer();
  void write_to_pipe();
  void read_from_pipe();
  bool chance(uint64_t one_in) { return choices_.draw(one_in) == 0; }

  Reactor& reactor_;
  sim::Host host_;
  Failures& failures_;
  sim::Tape choices_;
  TimerId beat_{};
  bool finishing_ = false;
  std::map<uint64_t, Timer> timers_;
  uint64_t next_timer_ = 0;
  int pipe_[2] = {-1, -1};
  Watch pipe_watch_;
  uint64_t written_ = 0;
  uint64_t read_ = 0;
  Watch signal_watch_;
  uint64_t raised_ = 0;
  uint64_t told_ = 0;
  uint64_t posted_ = 0;
  uint64_t ran_ = 0;
};

}  // namespace eddy::test
