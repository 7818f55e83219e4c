// The course of a run: connect, warm up, measure, wait for what is in flight, close.
#pragma once

#include <eddy/core/reactor.h>

#include <optional>
#include <string>

#include "load_churn.h"
#include "load_echo.h"
#include "load_options.h"
#include "load_progress.h"
#include "load_report.h"

namespace eddy::tools {

class LoadRun {
 public:
  LoadRun(Reactor& reactor, const LoadOptions& options);

  // The reactor then runs until the run is over.
  void start();
  // Ends it early, with all that was measured until then.
  void interrupt();
  LoadReport report() const;

 private:
  enum class Phase : uint8_t { kConnecting, kWarmup, kMeasuring, kDraining, kOver };
  // What is counted from one moment to another.
  struct Mark {
    TimePoint at;
    uint64_t answered = 0;
    uint64_t bytes = 0;
    uint64_t client_cpu_ns = 0;
    uint64_t server_cpu_ns = 0;
  };

  void settled();
  void begin_window();
  void end_window();
  void finish();
  void tend();
  void churn();
  void show_progress();
  std::string progress_line();
  void enter(Phase phase, std::chrono::nanoseconds length, void (LoadRun::*next)());
  Mark mark() const;

  Reactor& reactor_;
  const LoadOptions& options_;
  EchoLoad load_;
  Churn churn_;
  Progress progress_;
  Phase phase_ = Phase::kConnecting;
  bool interrupted_ = false;
  Mark from_;
  Mark to_;
  Mark shown_;
  TimePoint begun_;
  TimePoint next_kill_;
  TimerId phase_timer_;
  TimerId tend_timer_;
  TimerId progress_timer_;
  TimerId churn_timer_;
};

}  // namespace eddy::tools
