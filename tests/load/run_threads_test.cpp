// Runs whose workers have threads of their own, against a server in the run's.
//
// Not on the simulated kernel, which has no threads: there, a run's workers share its reactor.
#include <eddy/net/reactor_pool.h>

#include "load_test.h"

namespace eddy::load {
namespace {

class LoadThreadsTest : public LoadTest {};

TEST_P(LoadThreadsTest, EveryRequestOfEveryThreadIsCounted) {
  options_.threads = 2;
  options_.address = serve(test::echo_options());
  for (const bool paced : {false, true}) {
    if (paced) pace(2000, Pacing::kPoisson);
    ReactorPool pool(kernel(), {.reactors = 2, .reactor = reactor_options});
    LoadRun run(reactor(), options_, nullptr, &pool);
    ASSERT_TRUE(run.start());
    EXPECT_TRUE(run_until([&] { return run.is_over() && server->connections() == 0; }));
    EXPECT_TRUE(pool.join());
    const LoadReport report = run.report();
    const Requests& requests = report.record.requests;
    EXPECT_GT(requests.answered, 0U);
    EXPECT_EQ(requests.scheduled, requests.ended());
    EXPECT_EQ(report.record.response().count(), requests.scheduled);
    EXPECT_EQ(report.connected, 4U);
    EXPECT_EQ(report.workers.size(), 2U);
    EXPECT_GT(report.seconds, 0.1);
    if (!paced) continue;
    const RateProfile profile = *RateProfile::make({{.from = 2000, .to = 2000}});
    EXPECT_EQ(requests.scheduled,
              Schedule::poisson(profile, {}, 1).arrivals().count_before(options_.duration));
  }
}

TEST_P(LoadThreadsTest, InterruptedBeforeItBeginsItEnds) {
  options_.threads = 2;
  options_.connections = 2;
  options_.address = serve({});
  ReactorPool pool(kernel(), {.reactors = 2, .reactor = reactor_options});
  LoadRun run(reactor(), options_, nullptr, &pool);
  ASSERT_TRUE(run.start());
  run.interrupt();
  EXPECT_TRUE(run_until([&] { return run.is_over(); }));
  EXPECT_TRUE(pool.join());
  EXPECT_TRUE(run.report().interrupted);
}

EDDY_ON_EVERY_REAL_CONFIGURATION(LoadThreadsTest);

}  // namespace
}  // namespace eddy::load
