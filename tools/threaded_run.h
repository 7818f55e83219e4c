// One run of the load harness and its threads.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/reactor_pool.h>

#include <expected>

#include "load/options.h"
#include "load/outputs.h"
#include "load/report.h"
#include "load/run.h"

namespace eddy::tools {

// The reactor coordinates it, and no other run after it.
class ThreadedRun {
 public:
  // The options outlive it. `outputs` may be null.
  ThreadedRun(Reactor& reactor, const load::LoadOptions& options, load::Outputs* outputs);

  // For what follows it, holds it back or interrupts it.
  load::LoadRun& run() { return run_; }
  // Returns when it is over. At failure the exit status; why has been told.
  std::expected<load::LoadReport, int> drive();

 private:
  Reactor& reactor_;
  ReactorPool pool_;
  load::LoadRun run_;
};

}  // namespace eddy::tools
