// How runs end: by their window, by the number of their requests, and early.
#include <string>

#include "load_test.h"

namespace eddy::load {
namespace {

class LoadEndTest : public LoadTest {
 protected:
  StreamOptions answering_after(std::chrono::nanoseconds delay) {
    return {.on_data = [this, delay](Stream& client, Slice bytes) {
      reactor().start_timer(delay, [client, bytes]() mutable {
        if (client.is_open()) client.send(std::move(bytes));
      });
    }};
  }
  // Every second request.
  StreamOptions answering_half() {
    return {.on_data = [this](Stream& client, Slice bytes) {
      if (++asked_ % 2 == 1) client.send(std::move(bytes));
    }};
  }
  LoadReport run_and_interrupt_at(std::initializer_list<std::chrono::nanoseconds> times) {
    options_.address = serve(answering_half());
    LoadRun run(reactor(), options_);
    EXPECT_TRUE(run.start());
    for (const auto time : times) reactor().start_timer(time, [&run] { run.interrupt(); });
    EXPECT_TRUE(run_until([&] { return run.is_over() && server->connections() == 0; }));
    LoadReport report = run.report();
    EXPECT_EQ(requests_of(report).scheduled, requests_of(report).ended());
    return report;
  }

  uint64_t asked_ = 0;
};

TEST_P(LoadEndTest, AThreadWithoutAShareOfTheRequestsMakesNone) {
  options_.threads = 4;
  options_.connections = 8;
  for (const uint64_t requests : {3U, 1U}) {
    for (const auto warmup : {0ms, 2ms}) {
      options_.requests = requests;
      options_.warmup = warmup;
      const LoadReport report = run(test::echo_options());
      EXPECT_EQ(requests_of(report).scheduled, requests);
      EXPECT_EQ(requests_of(report).answered, requests);
      EXPECT_EQ(report.connected, 8U);
      EXPECT_NE(judge(report, options_).status, kNoAnswer);
    }
  }
}

TEST_P(LoadEndTest, TheFirstAnswersMayComeAfterTheWindow) {
  options_.duration = 20ms;
  for (const uint64_t requests : {0U, 1U}) {
    for (const double rate : {0.0, 100.0}) {
      if (requests > 0) options_.requests = requests;
      options_.pacing = rate > 0 ? Pacing::kConstant : Pacing::kClosed;
      options_.rate = rate;
      const LoadReport report = run(answering_after(80ms));
      EXPECT_GT(requests_of(report).scheduled, 0U);
      EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
      EXPECT_GE(report.record.response().minimum(), (80ms / 1ns));
      EXPECT_TRUE(report.has_figures());
    }
  }
}

TEST_P(LoadEndTest, AServerThatSendsNothingIsWaitedFor) {
  pace(100);
  options_.duration = 50ms;
  options_.timeout = 200ms;
  const TimePoint begun = reactor().now();
  const LoadReport report = run({.on_data = [](Stream&, const Slice&) {}});
  EXPECT_GE(reactor().now() - begun, 250ms);
  EXPECT_EQ(requests_of(report).scheduled, 5U);
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_EQ(report.record.response().count(), 5U);
  EXPECT_EQ(judge(report, options_).status, kNoAnswer);
}

TEST_P(LoadEndTest, ARateThatCannotBeMadeEndsInTimeWithEveryRequestCounted) {
  options_.connections = 2;
  options_.duration = 10s;
  options_.timeout = 10ms;
  pace(1e9);
  options_.address = serve(answering_after(5ms));
  LoadRun run(reactor(), options_);
  EXPECT_TRUE(run.start());
  // Until then on a real machine, and as long as it was to last where time costs nothing.
  if (!GetParam().simulated) reactor().start_timer(100ms, [&run] { run.interrupt(); });
  EXPECT_TRUE(run_until([&] {
    return run.is_over() && server->connections() == 0 && reactor().timers().referenced() == 0;
  }));
  const LoadReport report = run.report();
  const Requests& requests = requests_of(report);
  EXPECT_EQ(requests.scheduled, requests.ended());
  EXPECT_EQ(report.record.response().count(), requests.scheduled);
  EXPECT_GT(requests.answered, 0U);
  EXPECT_GT(requests.unsent, 0U);
  EXPECT_TRUE(requests.scheduled == 10'000'000'000U || !GetParam().simulated);
}

TEST_P(LoadEndTest, WithoutAServerWhatIsUnsentIsNotWaitedFor) {
  options_.connections = 2;
  options_.duration = 300ms;
  options_.timeout = 1h;
  pace(1000);
  options_.address = serve(test::echo_options());
  LoadRun run(reactor(), options_);
  EXPECT_TRUE(run.start());
  reactor().start_timer(100ms, [this] {
    server->close();
    server->for_each([](Stream& client) { client.reset(); });
  });
  EXPECT_TRUE(run_until([&] { return run.is_over(); }));
  const LoadReport report = run.report();
  EXPECT_GT(requests_of(report).unsent, 0U);
  EXPECT_EQ(requests_of(report).scheduled, requests_of(report).ended());
  EXPECT_EQ(judge(report, options_).status, kMeasuredWithTroubles);
}

TEST_P(LoadEndTest, ItBeginsAtOnceHoweverManyRequestsAreAskedFor) {
  options_.requests = 20'000'000'000;
  options_.duration = 20ms;
  pace(1000);
  const LoadReport report = run(test::echo_options());
  EXPECT_GT(requests_of(report).answered, 0U);
  EXPECT_LT(report.seconds, 60);
}

TEST_P(LoadEndTest, InterruptedWhileItWaitsForAnswersItEnds) {
  pace(200);
  options_.connections = 20;
  options_.duration = 50ms;
  options_.timeout = 1h;
  const LoadReport report = run_and_interrupt_at({400ms});
  EXPECT_TRUE(report.interrupted);
  EXPECT_EQ(requests_of(report).scheduled, 10U);
  EXPECT_EQ(requests_of(report).answered, 5U);
  EXPECT_EQ(requests_of(report).unanswered, 5U);
}

TEST_P(LoadEndTest, InterruptedTwiceItReportsWhatItHas) {
  pace(200);
  options_.connections = 200;
  options_.duration = 1h;
  options_.timeout = 1h;
  const LoadReport report = run_and_interrupt_at({400ms, 420ms});
  EXPECT_TRUE(report.interrupted);
  EXPECT_GT(report.seconds, 0);
  EXPECT_GT(requests_of(report).answered, 30U);
  EXPECT_GT(requests_of(report).unanswered, 30U);
}

EDDY_ON_EVERY_CONFIGURATION(LoadEndTest);

}  // namespace
}  // namespace eddy::load
