// Runs of the load harness against servers in the same reactor: that requests are accounted for,
// whatever the server does, and that times are told from the moment that the schedule has.
#include <algorithm>

#include "load_test.h"

namespace eddy::load {
namespace {

class LoadRunTest : public LoadTest {
 protected:
  // Answers `delay` after each request, however many wait.
  StreamOptions delaying(std::chrono::nanoseconds delay) {
    return {.on_data = [this, delay](Stream& client, Slice bytes) {
      reactor().start_timer(delay, [client, bytes]() mutable {
        if (client.is_open()) client.send(std::move(bytes));
      });
    }};
  }
  // One request after another, each of which takes `service`: a queue with a constant time of
  // service, that of all connections.
  StreamOptions queueing(std::chrono::nanoseconds service) {
    return {.on_data = [this, service](Stream& client, Slice bytes) {
      free_at_ = after(std::max(free_at_, reactor().now()), service);
      reactor().start_timer_at(free_at_, [client, bytes]() mutable {
        if (client.is_open()) client.send(std::move(bytes));
      });
    }};
  }
  TimePoint free_at_;
};

TEST_P(LoadRunTest, EveryRequestOfAClosedLoopIsAnswered) {
  options_.depth = 3;
  options_.warmup = 20ms;
  const LoadReport report = run(delaying(1ms));
  const Requests& requests = requests_of(report);
  EXPECT_GT(requests.answered, 0U);
  EXPECT_EQ(requests.answered, requests.scheduled);
  EXPECT_EQ(report.record.response().count(), requests.answered);
  EXPECT_EQ(report.record.first_byte.count(), requests.answered);
  EXPECT_EQ(report.record.lag.maximum(), 0);
  EXPECT_GE(report.record.response().minimum(), (1ms / 1ns));
  EXPECT_EQ(report.connected, 4U);
  EXPECT_TRUE(report.troubles.empty());
}

TEST_P(LoadRunTest, TheScheduleIsKeptWhateverTheServerDoes) {
  pace(2000, Pacing::kPoisson);
  options_.duration = 200ms;
  const LoadReport report = run(delaying(1ms));
  const Requests& requests = requests_of(report);
  const RateProfile profile = *RateProfile::make({{.from = 2000, .to = 2000}});
  EXPECT_EQ(requests.scheduled, Schedule::poisson(profile, {}, 1).arrivals().count_before(200ms));
  EXPECT_EQ(report.record.response().count(), requests.scheduled);
}

TEST_P(LoadRunTest, TimeInWhichNoConnectionWasFreeBelongsToTheResponse) {
  pace(200);
  options_.duration = 200ms;
  options_.connections = 1;
  // One connection can have 100 answers a second; the schedule wants 200, 40 in all. Half of them
  // have not been sent at the window's end, and are then.
  const LoadReport report = run(delaying(10ms));
  const Requests& requests = requests_of(report);
  EXPECT_EQ(requests.scheduled, 40U);
  EXPECT_EQ(requests.answered, 40U);
  const Histogram response = report.record.response();
  EXPECT_EQ(response.count(), 40U);
  EXPECT_GE(response.maximum(), (200ms / 1ns));
  EXPECT_GE(report.record.lag.maximum(), (190ms / 1ns));
  EXPECT_GE(report.record.service.minimum(), (10ms / 1ns));
  EXPECT_LT(report.record.service.percentile(10), response.percentile(90));
}

TEST_P(LoadRunTest, WhatCouldNotBeSentInTimeAfterTheWindowIsUnsent) {
  pace(200);
  options_.duration = 200ms;
  options_.timeout = 50ms;
  options_.connections = 1;
  const LoadReport report = run(delaying(10ms));
  const Requests& requests = requests_of(report);
  EXPECT_EQ(requests.scheduled, 40U);
  EXPECT_GT(requests.unsent, 5U);
  const Histogram response = report.record.response();
  EXPECT_EQ(response.count(), 40U);  // those that were never sent with the time that they waited
  EXPECT_GE(response.maximum(), (100ms / 1ns));
  // A client that is short of a CPU says so first.
  EXPECT_TRUE(judge(report, options_).status == kUnstableRun || !GetParam().simulated);
}

TEST_P(LoadRunTest, AServerThatStopsForAWhileIsNotHidden) {
  pace(1000);
  options_.connections = 64;
  options_.duration = 500ms;
  const TimePoint stop = reactor().now() + 100ms;
  const TimePoint resume = stop + 200ms;
  const LoadReport report = run({.on_data = [&](Stream& client, Slice bytes) {
    const TimePoint now = reactor().now();
    if (now < stop || now >= resume) return void(client.send(std::move(bytes)));
    reactor().start_timer_at(resume, [client, bytes]() mutable { client.send(std::move(bytes)); });
  }});
  // 200 of the 500 requests waited, evenly between 0 and 200 ms: a tenth of all more than 150 ms.
  const Histogram response = report.record.response();
  EXPECT_EQ(response.count(), 500U);
  EXPECT_GE(response.percentile(91), (140ms / 1ns));
  EXPECT_GE(response.maximum(), (195ms / 1ns));
}

TEST_P(LoadRunTest, WhatTheServerNeverAnswersIsALowerBound) {
  pace(100);
  options_.duration = 100ms;
  options_.connections = 20;
  options_.timeout = 300ms;
  uint64_t asked = 0;
  const LoadReport report = run({.on_data = [&](Stream& client, Slice bytes) {
    if (++asked % 2 == 1) client.send(std::move(bytes));
  }});
  const Requests& requests = requests_of(report);
  EXPECT_EQ(requests.scheduled, 10U);
  EXPECT_EQ(requests.answered, 5U);
  EXPECT_EQ(requests.timed_out + requests.unanswered, 5U);
  EXPECT_EQ(report.record.response().count(), 10U);
  EXPECT_GE(report.record.response().maximum(), (200ms / 1ns));
}

TEST_P(LoadRunTest, ConnectionsThatAreLostTakeTheirRequestsWithThemAndAreMadeAgain) {
  options_.duration = 200ms;
  uint64_t asked = 0;
  const LoadReport report = run({.on_data = [&](Stream& client, Slice bytes) {
    if (++asked % 5 == 0) return client.reset();
    client.send(std::move(bytes));
  }});
  const Requests& requests = requests_of(report);
  EXPECT_GT(requests.answered, 0U);
  EXPECT_GT(requests.lost, 0U);
  // The last ones may have been sent when the window had just ended.
  EXPECT_LE(requests.lost, count_of(report.troubles, Trouble::kLost));
  EXPECT_GT(report.connected, 4U);
}

TEST_P(LoadRunTest, WrongBytesAreToldAndTheirRequestIsNotAnAnswer) {
  const LoadReport report = run({.on_data = [&](Stream& client, const Slice& bytes) {
    std::string other = bytes.str();
    other.back() = static_cast<char>(other.back() ^ 1);
    client.send(other);
  }});
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_GT(requests_of(report).wrong, 0U);
  EXPECT_EQ(judge(report, options_).status, kWrongAnswer);
}

TEST_P(LoadRunTest, ConnectionsAreReplacedAfterTheirShareOfRequests) {
  options_.requests_per_connection = 3;
  options_.depth = 2;
  for (const bool paced : {false, true}) {
    if (paced) {
      pace(2000);
      options_.duration = 200ms;
    }
    const LoadReport report = run(test::echo_options());
    EXPECT_TRUE(report.troubles.empty());
    EXPECT_GE(report.connected * 3, requests_of(report).answered);
    EXPECT_GT(report.connected, 10U);
    EXPECT_EQ(requests_of(report).answered, requests_of(report).sent());
  }
}

TEST_P(LoadRunTest, WhatChurnEndsIsAbandoned) {
  options_.churn_per_second = GetParam().simulated ? 10'000 : 500;
  options_.depth = 4;
  const LoadReport report = run(test::echo_options());
  EXPECT_GT(requests_of(report).abandoned, 0U);
  EXPECT_GT(report.churned.reset + report.churned.closed + report.churned.half_closed, 5U);
  EXPECT_TRUE(report.troubles.empty());
}

TEST_P(LoadRunTest, NobodyListens) {
  options_.address = serve({});
  server.reset();
  expect_baseline();
  LoadRun run(reactor(), options_);
  EXPECT_TRUE(run.start());
  EXPECT_TRUE(run_until([&] { return run.is_over(); }));
  EXPECT_EQ(judge(run.report(), options_).status, kNoConnection);
}

TEST_P(LoadRunTest, InterruptedItReportsWhatItHas) {
  pace(1000);
  options_.duration = 1h;
  options_.address = serve(test::echo_options());
  LoadRun run(reactor(), options_);
  EXPECT_TRUE(run.start());
  reactor().start_timer(50ms, [&] { run.interrupt(); });
  EXPECT_TRUE(run_until([&] { return run.is_over() && server->connections() == 0; }));
  const LoadReport report = run.report();
  EXPECT_TRUE(report.interrupted);
  EXPECT_GE(requests_of(report).scheduled, 45U);
  EXPECT_LE(requests_of(report).scheduled, 60U + (report.seconds > 0.06 ? 10000U : 0U));
  EXPECT_EQ(requests_of(report).scheduled, requests_of(report).ended());
}

TEST_P(LoadRunTest, SeveralWorkersShareTheConnectionsAndTheSchedule) {
  options_.threads = 3;
  options_.connections = 5;
  options_.duration = 200ms;
  for (const Pacing pacing : {Pacing::kConstant, Pacing::kPoisson}) {
    pace(2000, pacing);
    const LoadReport report = run(delaying(1ms));
    const RateProfile profile = *RateProfile::make({{.from = 2000, .to = 2000}});
    const Schedule whole = pacing == Pacing::kPoisson ? Schedule::poisson(profile, {}, 1)
                                                      : Schedule::constant(profile, {}, 1);
    EXPECT_EQ(requests_of(report).scheduled, whole.arrivals().count_before(200ms));
    EXPECT_EQ(report.connected, 5U);
    ASSERT_EQ(report.workers.size(), 3U);
    EXPECT_EQ(report.workers[0].connections, 2U);
    EXPECT_EQ(report.workers[2].connections, 1U);
    for (const WorkerReport& worker : report.workers) EXPECT_GT(worker.lateness.count(), 0U);
  }
}

TEST_P(LoadRunTest, ItEndsAfterSoManyRequests) {
  options_.requests = 101;
  options_.threads = 2;
  options_.duration = 1h;
  for (const bool paced : {false, true}) {
    if (paced) pace(2000);
    options_.warmup = paced ? 10ms : 0ms;
    const LoadReport report = run(delaying(1ms));
    EXPECT_EQ(requests_of(report).scheduled, 101U);
    EXPECT_EQ(requests_of(report).answered, 101U);
    EXPECT_LT(report.seconds, 60);
  }
}

TEST_P(LoadRunTest, ConnectionsAreMadeAtARate) {
  options_.connections = 11;
  options_.connect_rate = 100;
  const TimePoint begun = reactor().now();
  const LoadReport report = run(test::echo_options());
  EXPECT_EQ(report.connected, 11U);
  EXPECT_GE(reactor().now() - begun, 100ms);
}

EDDY_ON_EVERY_CONFIGURATION(LoadRunTest);

}  // namespace
}  // namespace eddy::load
