// Sets of results, read back and compared.
#include "load/run_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "load/hdr_log.h"

namespace eddy::load {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kMs = 1e6;

class RunSet : public testing::Test {
 protected:
  RunSet() { EXPECT_NE(mkdtemp(directory_.data()), nullptr); }
  ~RunSet() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  void make(const std::string& name) const { std::ofstream(path(name)) << "{}"; }

  std::string directory_ = testing::TempDir() + "eddy-runs-XXXXXX";
};

// Runs whose p50 and p99 are these; p99 is not known where it is 0.
std::vector<RunFigures> runs_of(const std::vector<std::pair<double, double>>& figures) {
  std::vector<RunFigures> runs;
  for (const auto& [p50, p99] : figures) {
    RunFigures run{.name = "run"};
    run.response[0] = p50 * kMs;
    if (p99 > 0) run.response[2] = p99 * kMs;
    runs.push_back(std::move(run));
  }
  return runs;
}

TEST_F(RunSet, ALogsRunIsItsUntaggedHistogram) {
  Histogram response;
  Histogram other;
  for (int i = 1; i <= 2000; ++i) response.record(i * 1000);
  other.record(1);
  auto log = HdrLogWriter::create(path("a.hlog"), LogTime(), "test");
  ASSERT_TRUE(log->append({.start = LogTime(), .tag = "lag"}, other));
  ASSERT_TRUE(log->append({.start = LogTime()}, response));
  ASSERT_TRUE(log->close());
  const auto run = read_run(path("a.hlog"));
  ASSERT_TRUE(run) << run.error();
  EXPECT_NEAR(*run->response[0], 1 * kMs, 1e3);
  EXPECT_NEAR(*run->response[2], 1.98 * kMs, 2e3);
  EXPECT_FALSE(run->response[3]);  // two samples lie beyond it
  EXPECT_FALSE(run->rate);
}

TEST_F(RunSet, ALogWithoutResponseTimesIsToldByItsName) {
  auto log = HdrLogWriter::create(path("a.hlog"), LogTime(), "test");
  ASSERT_TRUE(log->append({.start = LogTime(), .tag = "lag"}, Histogram()));
  ASSERT_TRUE(log->close());
  EXPECT_THAT(read_run(path("a.hlog")).error(), HasSubstr("a.hlog: no interval without a tag"));
  EXPECT_THAT(read_run(path("b.hlog")).error(), HasSubstr("b.hlog"));
}

TEST_F(RunSet, AResultAsJsonHasItsVerdictAndSettings) {
  const auto run = run_of_json(R"({"connections": 4, "rate": 1000.0, "requests_per_second": 998.5,
    "latency_us": {"p50": 100, "p90": 200.5, "p99": null}, "verdict": "UNSTABLE"})",
                               "a.json");
  ASSERT_TRUE(run) << run.error();
  EXPECT_EQ(run->response[0], 1e5);
  EXPECT_EQ(run->response[1], 200'500);
  EXPECT_FALSE(run->response[2]);
  EXPECT_EQ(run->rate, 998.5);
  EXPECT_EQ(run->verdict, "UNSTABLE");
  EXPECT_THAT(run->settings,
              ElementsAre(std::pair("connections", "4"), std::pair("rate", "1000.0")));
}

TEST_F(RunSet, WhatIsNoResultIsTold) {
  for (const char* text : {"", "{", "[]", "3", "{}", R"({"latency_us": 5})"}) {
    EXPECT_THAT(run_of_json(text, "a.json").error(), HasSubstr("a.json: not a result")) << text;
  }
  EXPECT_TRUE(run_of_json(R"({"latency_us": {"p50": "x"}, "verdict": 5})", "a.json"));
  EXPECT_THAT(read_run(path("none.json")).error(), HasSubstr("none.json: No such file"));
}

TEST_F(RunSet, ADirectoryMeansItsResultsAndEachRunOnce) {
  for (const char* name : {"2.json", "1.json", "1.hlog", "notes.txt"}) make(name);
  EXPECT_THAT(*result_files(directory_), ElementsAre(path("1.hlog"), path("2.json")));
  EXPECT_THAT(*result_files(path("*.json")), ElementsAre(path("1.json"), path("2.json")));
  EXPECT_THAT(*result_files(path("2.json")), ElementsAre(path("2.json")));
  EXPECT_THAT(result_files(path("3.json")).error(), HasSubstr("no such file"));
  EXPECT_THAT(result_files(path("*.hgrm")).error(), HasSubstr("matches no file"));
  std::filesystem::create_directory(path("empty"));
  EXPECT_THAT(result_files(path("empty")).error(), HasSubstr("no .hlog and no .json"));
}

TEST_F(RunSet, EachFigureIsComparedByItself) {
  const auto a = runs_of({{1, 10}, {1.1, 11}, {0.9, 10.5}, {1.05, 10.2}});
  const auto b = runs_of({{1.02, 20}, {0.95, 21}, {1.1, 22}, {1, 20.5}});
  const SetComparison found = compare_sets(a, b, 1);
  ASSERT_EQ(found.figures.size(), 2U);
  EXPECT_EQ(found.figures[0].figure, "p50");
  EXPECT_EQ(verdict_text(found.figures[0]), "no difference shown");
  EXPECT_EQ(found.figures[1].figure, "p99");
  EXPECT_EQ(verdict_text(found.figures[1]), "B is slower");
  EXPECT_NEAR(found.figures[1].comparison.ratio, 2, 0.05);
  EXPECT_NEAR(found.figures[1].a, 10.4 * kMs, 0.1 * kMs);
  EXPECT_FALSE(found.too_few_runs);
  EXPECT_THAT(found.remarks, IsEmpty());
}

TEST_F(RunSet, AFigureThatNotAllRunsTellIsNotCompared) {
  const auto a = runs_of({{1, 10}, {1, 0}, {1, 10}, {1, 10}});
  const auto b = runs_of({{1, 20}, {1, 20}, {1, 20}, {1, 20}});
  const FigureComparison p99 = compare_sets(a, b, 1).figures[1];
  EXPECT_FALSE(p99.is_compared);
  EXPECT_EQ(p99.known_a, 3U);
  EXPECT_EQ(p99.known_b, 4U);
}

TEST_F(RunSet, RunsThatTellNoFigureAreNotFoundAlike) {
  const SetComparison few = compare_sets(std::vector<RunFigures>(1), std::vector<RunFigures>(1), 1);
  EXPECT_TRUE(few.too_few_runs);
  EXPECT_FALSE(few.is_compared);
  const SetComparison short_ones =
      compare_sets(std::vector<RunFigures>(4), std::vector<RunFigures>(4), 1);
  EXPECT_FALSE(short_ones.too_few_runs);
  EXPECT_FALSE(short_ones.is_compared);
  // 3 of one and 5 of the other can be told apart; 3 of each cannot.
  EXPECT_TRUE(compare_sets(std::vector<RunFigures>(3), std::vector<RunFigures>(3), 1).too_few_runs);
  EXPECT_FALSE(
      compare_sets(std::vector<RunFigures>(3), std::vector<RunFigures>(5), 1).too_few_runs);
}

TEST_F(RunSet, TooFewRunsAndRunsThatAreNotAlikeAreTold) {
  auto a = runs_of({{1, 10}, {1, 10}});
  auto b = runs_of({{2, 20}, {2, 20}});
  for (RunFigures& run : a) run.settings = {{"rate", "1000.0"}};
  for (RunFigures& run : b) run.settings = {{"rate", "2000.0"}};
  a[0].verdict = "VALID";
  b[0].verdict = "CLIENT-LIMITED";
  const SetComparison found = compare_sets(a, b, 1);
  EXPECT_TRUE(found.too_few_runs);
  EXPECT_EQ(verdict_text(found.figures[0]), "too few runs");
  EXPECT_THAT(found.remarks, ElementsAre("runs differ in their rate: 1000.0 and 2000.0",
                                         "1 of B's 2 runs was CLIENT-LIMITED"));
}

}  // namespace
}  // namespace eddy::load
