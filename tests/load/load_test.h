// The fixture of runs against servers in the same reactor.
#pragma once

#include <chrono>
#include <utility>

#include "../support/stream_test.h"
#include "load/run.h"

namespace eddy::load {

using namespace std::chrono_literals;  // NOLINT: for tests

class LoadTest : public test::StreamTest {
 protected:
  // A simulated server that answers at once answers a million requests a second.
  static constexpr std::chrono::nanoseconds kSimulated = 5ms;

  LoadOptions options_ = {.connections = 4,
                          .depth = 1,
                          .size = 64,
                          .duration = GetParam().simulated ? kSimulated : 200ms,
                          .timeout = 5s,
                          .seed = 1};

  void pace(double rate, Pacing pacing = Pacing::kConstant) {
    options_.pacing = pacing;
    options_.rate = rate;
  }

  // A whole run against a server of these callbacks; every request is accounted for.
  LoadReport run(StreamOptions server_options) {
    options_.address = serve(std::move(server_options));
    LoadRun run(reactor(), options_);
    EXPECT_TRUE(run.start());
    EXPECT_TRUE(run_until([&] {
      return run.is_over() && server->connections() == 0 && reactor().timers().referenced() == 0;
    }));
    LoadReport report = run.report();
    const Requests& requests = report.record.requests;
    EXPECT_EQ(requests.scheduled, requests.ended());
    return report;
  }
  static const Requests& requests_of(const LoadReport& report) { return report.record.requests; }
};

}  // namespace eddy::load
