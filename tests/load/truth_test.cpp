// Known truth: servers whose response times can be calculated, and what the harness says of them.
// On the simulated kernel, where time is exact.
#include <algorithm>
#include <cmath>
#include <vector>

#include "../support/stream_test.h"
#include "load/find_max.h"
#include "load/random.h"
#include "load/run.h"
#include "queue.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

class LoadTruth : public test::StreamTest {
 protected:
  LoadOptions options_ = {.connections = 200,
                          .depth = 1,
                          .size = 16,
                          .pacing = Pacing::kPoisson,
                          .duration = 20s,
                          .timeout = 60s,
                          .seed = 7};

  // One request after another, in the order of their coming, each of which takes what `next` says.
  LoadReport run_against_a_queue(
      std::function<nanoseconds()> next,
      const std::function<void(LoadRun&)>& prepare = [](LoadRun&) {}) {
    TimePoint free_at;
    options_.address = serve({.on_data = [&](Stream& client, Slice bytes) {
      free_at = after(std::max(free_at, reactor().now()), next());
      reactor().start_timer_at(free_at,
                               [client, bytes]() mutable { client.send(std::move(bytes)); });
    }});
    LoadRun run(reactor(), options_);
    prepare(run);
    EXPECT_TRUE(run.start());
    while (!run.is_over() || server->connections() > 0) {
      if (!reactor().run_once(1s)) break;
    }
    return run.report();
  }

  // Response times by Lindley's recursion ("The theory of queues with a single server", 1952), and
  // the way there and back.
  Histogram lindley(const std::function<nanoseconds()>& next) {
    constexpr nanoseconds kThereAndBack = 2us;  // of the simulated network
    Histogram response;
    nanoseconds free_at{0};
    const RateProfile profile = *RateProfile::make({{.from = options_.rate, .to = options_.rate}});
    const Schedule schedule = Schedule::poisson(profile, {}, options_.seed);
    for (Arrivals arrivals = schedule.arrivals(); arrivals.next().at < options_.duration;
         arrivals.take()) {
      free_at = std::max(free_at, arrivals.next().at) + next();
      response.record((free_at - arrivals.next().at + kThereAndBack).count());
    }
    return response;
  }
};

TEST_P(LoadTruth, AQueueOfConstantServiceIsToldToTheHistogramsResolution) {
  options_.rate = 700;
  const auto service = [] { return nanoseconds(1ms); };
  const LoadReport report = run_against_a_queue(service);
  const Histogram truth = lindley(service);
  const Histogram response = report.record.response();
  EXPECT_EQ(response.count(), truth.count());
  for (const double percent : {10.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    EXPECT_EQ(response.percentile(percent), truth.percentile(percent)) << percent;
  }
  EXPECT_EQ(response.maximum(), truth.maximum());
}

// Also where a whole number of slices would be over at the very moment at which the window is.
TEST_P(LoadTruth, AWindowHasAsManyBatchesAsAreWanted) {
  options_.rate = 300;
  options_.address = serve(test::echo_options());
  for (const auto window : {1s, 2s, 3s, 10s, 16s, 60s}) {
    options_.duration = window;
    LoadRun run(reactor(), options_);
    ASSERT_TRUE(run.start());
    while (!run.is_over()) ASSERT_TRUE(reactor().run_once(1s));
    EXPECT_GE(run.batches().complete().size(), Batches::kMost / 2) << window.count() << " s";
    EXPECT_LT(run.batches().complete().size(), Batches::kMost) << window.count() << " s";
  }
}

// A search on whole runs: the rate at which an objective's percentile is the true one.
TEST_P(LoadTruth, TheHighestRateOfAQueueIsFound) {
  const Objective objective = *parse_objective("p95<4ms");
  double least = 0.01;
  double most = 0.99;
  while (most - least > 1e-6) {
    const double middle = (least + most) / 2;
    const double response = true_quantile(Service::kConstant, middle, objective.percent);
    (response < objective.limit ? least : most) = middle;
  }
  const double truth = least * 1000;
  options_.duration = 8s;
  options_.slice = 12500us;
  options_.slo = objective;
  const auto found = find_max({.first = 200, .least = 50}, [&](double rate, uint64_t number) {
    options_.rate = rate;
    options_.seed = Random::seed_of(7, number);
    const LoadReport report = run_against_a_queue(
        [] { return nanoseconds(1ms); }, [&](LoadRun& run) { end_when_decided(run, objective); });
    return judge_rate(rate, objective, report, judge(report, options_));
  });
  EXPECT_EQ(found.end, SearchResult::End::kFound);
  ASSERT_TRUE(found.max_rate && found.not_within);
  // What a run of 8 s cannot tell apart from the limit lies between.
  EXPECT_GT(*found.max_rate, truth * 0.9);
  EXPECT_LT(*found.max_rate, truth * 1.03);
  EXPECT_GT(*found.not_within, truth * 0.9);
}

EDDY_ON_EVERY_SIMULATED_CONFIGURATION(LoadTruth);

}  // namespace
}  // namespace eddy::load
