#include "threaded_run.h"

#include <chrono>

#include "command.h"

namespace eddy::tools {
namespace {

// A worker that has a schedule wakes in time by polling.
ReactorOptions punctual(const load::LoadOptions& options) {
  ReactorOptions reactor = options.reactor;
  if (is_open_loop(options)) {
    reactor.spin = std::chrono::ceil<std::chrono::microseconds>(options.spin);
  }
  return reactor;
}

}  // namespace

ThreadedRun::ThreadedRun(Reactor& reactor, const load::LoadOptions& options, load::Outputs* outputs)
    : reactor_(reactor),
      pool_({.reactors = options.threads, .reactor = punctual(options)}),
      run_(reactor, options, outputs, &pool_) {}

std::expected<load::LoadReport, int> ThreadedRun::drive() {
  if (const auto started = run_.start(); !started) return std::unexpected(report(started.error()));
  const int failed = reactor_.run();
  if (!run_.is_over()) pool_.stop();
  if (const auto joined = pool_.join(); !joined) return std::unexpected(report(joined.error()));
  if (failed != 0) return std::unexpected(failed);
  return run_.report();
}

}  // namespace eddy::tools
