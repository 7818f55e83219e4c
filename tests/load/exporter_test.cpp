// The metrics that a run serves: the text as Prometheus reads it, and a server that scrapers cannot
// bring down.
#include "load/exporter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "../support/stream_test.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;  // NOLINT: for tests

Record second_of(uint64_t answered, std::chrono::nanoseconds time) {
  Record record(1);
  record.requests = {.scheduled = answered + 1, .answered = answered, .timed_out = 1};
  record.bytes_received = 100 * answered;
  record.response_of[0].record(time.count(), answered);
  record.service.record(time.count() / 2, answered);
  record.lag.record(time.count() / 2, answered);
  return record;
}

// --- The text

// The samples of a text, by name and labels; what is not of the format is a failure.
std::map<std::string, double> samples_of(const std::string& text) {
  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;
  std::set<std::string> helped;
  std::istringstream lines(text);
  EXPECT_TRUE(text.ends_with('\n'));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    std::string keyword;
    std::string name;
    words >> first;
    if (first == "#") {
      words >> keyword >> name;
      if (keyword == "HELP") {
        EXPECT_TRUE(helped.insert(name).second) << line;
        continue;
      }
      EXPECT_EQ(keyword, "TYPE") << line;
      EXPECT_TRUE(helped.contains(name)) << line;
      EXPECT_TRUE(types.emplace(name, line.substr(line.rfind(' ') + 1)).second) << line;
      continue;
    }
    const size_t space = line.rfind(' ');
    const std::string sample = line.substr(0, space);
    name = sample.substr(0, sample.find('{'));
    std::string family = name;
    for (const char* suffix : {"_bucket", "_sum", "_count"}) {
      const std::string stem =
          name.substr(0, name.size() - std::min(name.size(), std::string(suffix).size()));
      if (name.ends_with(suffix) && types.contains(stem) && types[stem] == "histogram")
        family = stem;
    }
    EXPECT_TRUE(types.contains(family)) << line;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789:"), std::string::npos)
        << line;
    EXPECT_EQ(types[family] == "counter", name.ends_with("_total")) << line;
    EXPECT_TRUE(samples.emplace(sample, std::stod(line.substr(space + 1))).second) << line;
  }
  return samples;
}

TEST(MetricsTest, AreWhatPrometheusReads) {
  LoadOptions options = {.target = "unix:a\"b\\c\nd", .pacing = Pacing::kPoisson};
  Metrics metrics;
  metrics.requests = {.scheduled = 12, .answered = 9, .wrong = 1, .unsent = 2};
  for (int i = 1; i <= 12; ++i) metrics.response.record(i * 1'000'000);
  metrics.service.record(std::chrono::nanoseconds(5us).count());
  metrics.service.record(std::chrono::nanoseconds(100s).count());
  metrics.moment = {.phase = Moment::Phase::kMeasuring, .open_connections = 4, .in_flight = 3};
  metrics.target_rate = 2500.5;
  auto samples = samples_of(text_of(metrics, options));
  EXPECT_EQ(samples.count("eddy_load_info{target=\"unix:a\\\"b\\\\c\\nd\",arrivals=\"poisson\"}"),
            1U);
  EXPECT_EQ(samples["eddy_load_requests_total{outcome=\"answered\"}"], 9);
  EXPECT_EQ(samples["eddy_load_requests_total{outcome=\"unsent\"}"], 2);
  EXPECT_EQ(samples["eddy_load_requests_scheduled_total"], 12);
  EXPECT_EQ(samples["eddy_load_response_seconds_bucket{le=\"0.0005\"}"], 0);
  EXPECT_EQ(samples["eddy_load_response_seconds_bucket{le=\"0.001\"}"], 1);
  EXPECT_EQ(samples["eddy_load_response_seconds_bucket{le=\"0.005\"}"], 5);
  EXPECT_EQ(samples["eddy_load_response_seconds_bucket{le=\"0.02\"}"], 12);
  EXPECT_EQ(samples["eddy_load_response_seconds_bucket{le=\"+Inf\"}"], 12);
  EXPECT_EQ(samples["eddy_load_response_seconds_count"], 12);
  EXPECT_DOUBLE_EQ(samples["eddy_load_response_seconds_sum"], 0.078);
  EXPECT_EQ(samples["eddy_load_service_seconds_bucket{le=\"1e-05\"}"], 1);
  EXPECT_EQ(samples["eddy_load_service_seconds_bucket{le=\"60\"}"], 1);
  EXPECT_EQ(samples["eddy_load_service_seconds_bucket{le=\"+Inf\"}"], 2);
  EXPECT_EQ(samples["eddy_load_lag_seconds_bucket{le=\"+Inf\"}"], 0);
  EXPECT_EQ(samples["eddy_load_phase{phase=\"measuring\"}"], 1);
  EXPECT_EQ(samples["eddy_load_phase{phase=\"warmup\"}"], 0);
  EXPECT_EQ(samples["eddy_load_open_connections"], 4);
  EXPECT_EQ(samples["eddy_load_in_flight"], 3);
  EXPECT_EQ(samples["eddy_load_target_rate"], 2500.5);
}

// --- The server

class ExporterTest : public test::ReactorTest {
 protected:
  void SetUp() override {
    ReactorTest::SetUp();
    exporter_.emplace(reactor(), options_, Exporter::Limits{.connections = 3, .time = 200ms});
    const auto listening = exporter_->listen("127.0.0.1:0");
    ASSERT_TRUE(listening) << listening.error().message();
    address_ = *exporter_->local_address();
  }
  void TearDown() override {
    exporter_.reset();
    ReactorTest::TearDown();
  }

  test::Peer connect() { return test::Peer::connect_to(address_); }
  // The whole answer, until its end.
  std::string ask(std::string_view request) {
    test::Peer peer = connect();
    peer.send(request);
    EXPECT_TRUE(run_until([&] { return peer.has_ended(); })) << request;
    return peer.received;
  }
  static std::string body_of(const std::string& answer) {
    const size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : answer.substr(end + 4);
  }

  LoadOptions options_ = {
      .target = "tcp://127.0.0.1:7000", .pacing = Pacing::kConstant, .rate = 500};
  std::optional<Exporter> exporter_;
  Address address_;
};

TEST_P(ExporterTest, CountsUpFromScrapeToScrape) {
  exporter_->show({.phase = Moment::Phase::kMeasuring, .completed = 7});
  exporter_->add(0s, 1s, second_of(10, 3ms));
  const std::string first = ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(first.starts_with("HTTP/1.1 200 OK\r\n")) << first;
  EXPECT_NE(first.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            std::string::npos);
  EXPECT_NE(first.find("Content-Length: " + std::to_string(body_of(first).size()) + "\r\n"),
            std::string::npos);
  auto samples = samples_of(body_of(first));
  EXPECT_EQ(samples["eddy_load_requests_total{outcome=\"answered\"}"], 10);
  EXPECT_EQ(samples["eddy_load_requests_total{outcome=\"timed_out\"}"], 1);
  EXPECT_EQ(samples["eddy_load_response_seconds_bucket{le=\"0.002\"}"], 0);
  EXPECT_EQ(samples["eddy_load_response_seconds_bucket{le=\"0.005\"}"], 10);
  EXPECT_EQ(samples["eddy_load_answers_total"], 7);
  EXPECT_EQ(samples["eddy_load_target_rate"], 500);
  EXPECT_GT(samples["process_cpu_seconds_total"], 0);
  exporter_->add(1s, 1s, second_of(5, 30ms));
  samples = samples_of(body_of(ask("GET /metrics?debug=1 HTTP/1.0\r\n\r\n")));
  EXPECT_EQ(samples["eddy_load_requests_total{outcome=\"answered\"}"], 15);
  EXPECT_EQ(samples["eddy_load_response_seconds_bucket{le=\"0.005\"}"], 10);
  EXPECT_EQ(samples["eddy_load_response_seconds_count"], 15);
  EXPECT_EQ(samples["eddy_load_received_bytes_total"], 1500);
}

TEST_P(ExporterTest, RefusesWhatIsNoScrape) {
  EXPECT_TRUE(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 404 "));
  const std::string posted =
      ask("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b");
  EXPECT_TRUE(posted.starts_with("HTTP/1.1 405 ")) << posted;
  EXPECT_NE(posted.find("\r\nAllow: GET, HEAD\r\n"), std::string::npos) << posted;
  EXPECT_TRUE(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(
      ask("GET /metrics HTTP/1.1\r\nX: " + std::string(9000, 'x')).starts_with("HTTP/1.1 431 "));
  const std::string head = ask("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(body_of(head).empty());
}

TEST_P(ExporterTest, TheTargetMayBeAWholeUrl) {
  EXPECT_TRUE(
      ask("GET http://a:9100/metrics?b HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200 "));
  for (const char* other : {"http://a/", "http://a", "http:///metric"}) {
    EXPECT_TRUE(ask("GET " + std::string(other) + " HTTP/1.1\r\nHost: a\r\n\r\n")
                    .starts_with("HTTP/1.1 404 "))
        << other;
  }
}

TEST_P(ExporterTest, ARequestMayComeInPieces) {
  test::Peer peer = connect();
  for (const std::string_view piece :
       {"GE", "T /metr", "ics HTTP/1.1\r", "\nHost: a\r\n", "\r\n"}) {
    peer.send(piece);
    run_turns();
  }
  ASSERT_TRUE(run_until([&] { return peer.has_ended(); }));
  EXPECT_TRUE(peer.received.starts_with("HTTP/1.1 200 "));
}

// Three that never finish their requests hold every place; their time ends, and others come.
TEST_P(ExporterTest, ScrapersThatStallMakeWay) {
  std::vector<test::Peer> stalled;
  for (int i = 0; i < 3; ++i) {
    stalled.push_back(connect());
    stalled.back().send("GET /metrics HTTP/1.1\r\nX: ");
  }
  EXPECT_TRUE(ask("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 200 "));
  for (test::Peer& peer : stalled)
    EXPECT_TRUE(run_until([&] { return peer.has_ended() || peer.has_failed(); }));
}

TEST_P(ExporterTest, EndsWithTheRun) {
  test::Peer stalled = connect();
  stalled.send("GET ");
  run_turns();
  exporter_->show({.phase = Moment::Phase::kOver});
  EXPECT_TRUE(run_until([&] { return stalled.has_ended() || stalled.has_failed(); }));
  EXPECT_FALSE(exporter_->local_address());
}

EDDY_ON_EVERY_CONFIGURATION(ExporterTest);

}  // namespace
}  // namespace eddy::load
