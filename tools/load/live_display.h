// How a run stands, on stderr: on a terminal one line that is overwritten each second, elsewhere a
// line a second.
//
// Threads: the run's.
#pragma once

#include <chrono>

#include "load/live_line.h"
#include "load/observer.h"
#include "load/options.h"
#include "load/progress.h"

namespace eddy::load {

class LiveDisplay : public Observer {
 public:
  // Of what this process does: of several ranks it is one's part.
  explicit LiveDisplay(const LoadOptions& options);

  void add(std::chrono::nanoseconds start, std::chrono::nanoseconds length,
           const Record& second) override;
  void show(const Moment& moment) override;

 private:
  void note(double value);

  Progress progress_;
  const bool is_utf8_;
  LiveFigures figures_;
};

}  // namespace eddy::load
