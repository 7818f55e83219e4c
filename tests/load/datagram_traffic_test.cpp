// Runs against datagram servers: what is lost, doubled, reordered, refused and not right.
#include "load/datagram_traffic.h"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "load_test.h"

namespace eddy::load {
namespace {

class DatagramLoad : public LoadTest {
 protected:
  DatagramLoad() {
    options_.protocol = Protocol::kDatagram;
    if (!GetParam().simulated) options_.duration = 50ms;
  }

  // `answer` gets each datagram, and where it came from.
  void serve_datagrams(std::function<void(Datagram&, Slice, const Address&)> answer) {
    auto bound = Datagram::bind(
        reactor(), "127.0.0.1:0",
        {.on_datagram =
             [answer = std::move(answer)](Datagram& self, Slice bytes, const DatagramInfo& info) {
               answer(self, std::move(bytes), info.source);
             },
         .on_close = [this](Datagram&, std::error_code) { server_is_open_ = false; }});
    ASSERT_TRUE(bound) << bound.error().message();
    server_socket_ = *bound;
    server_is_open_ = true;
    options_.address = server_socket_.local_address().value_or(Address());
  }
  LoadReport run_datagrams(std::function<void(Datagram&, Slice, const Address&)> answer) {
    serve_datagrams(std::move(answer));
    LoadReport report = run_to_its_end();
    server_socket_.reset();
    EXPECT_TRUE(run_until([&] { return !server_is_open_; }));
    return report;
  }
  LoadReport run_to_its_end() {
    LoadRun run(reactor(), options_);
    EXPECT_TRUE(run.start());
    EXPECT_TRUE(run_until([&] { return run.is_over() && reactor().timers().referenced() == 0; }));
    LoadReport report = run.report();
    const Requests& requests = report.record.requests;
    EXPECT_EQ(requests.scheduled, requests.ended());
    return report;
  }
  static void echo(Datagram& self, Slice bytes, const Address& from) {
    self.send_to(std::move(bytes), from);
  }

  Datagram server_socket_;
  bool server_is_open_ = false;
};

TEST_P(DatagramLoad, EveryRequestIsAnswered) {
  options_.depth = 8;
  const LoadReport report = run_datagrams(echo);
  EXPECT_GT(requests_of(report).answered, 8U);
  EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
  EXPECT_TRUE(report.troubles.empty());
  EXPECT_EQ(report.record.strays, 0U);
  EXPECT_EQ(report.connected, options_.connections);
}

TEST_P(DatagramLoad, AScheduleIsKept) {
  pace(2000, Pacing::kPoisson);
  options_.size = 8;
  const LoadReport report = run_datagrams(echo);
  EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
  EXPECT_EQ(report.record.lag.count(), requests_of(report).scheduled);
}

TEST_P(DatagramLoad, TheLongestAndThinkTime) {
  options_.size = DatagramTraffic::kMostBytes;
  options_.connections = 1;
  options_.think = 1ms;
  const LoadReport report = run_datagrams(echo);
  EXPECT_GT(requests_of(report).answered, 1U);
  EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
}

// Answers come in pairs, the later one first.
TEST_P(DatagramLoad, ReorderedAnswersFindTheirRequests) {
  options_.depth = 4;
  options_.connections = 1;
  std::optional<Slice> held;
  const LoadReport report = run_datagrams([&](Datagram& self, Slice bytes, const Address& from) {
    if (!held) {
      held = std::move(bytes);
      return;
    }
    self.send_to(std::move(bytes), from);
    self.send_to(std::move(*held), from);
    held.reset();
  });
  const Requests& requests = requests_of(report);
  EXPECT_GT(requests.answered, 4U);
  EXPECT_LE(requests.scheduled - requests.answered, 1U);
  EXPECT_TRUE(report.troubles.empty());
  EXPECT_EQ(report.record.strays, 0U);
}

TEST_P(DatagramLoad, DoubledAnswersCountOnce) {
  const LoadReport report = run_datagrams([](Datagram& self, Slice bytes, const Address& from) {
    self.send_to(bytes, from);
    self.send_to(std::move(bytes), from);
  });
  EXPECT_EQ(requests_of(report).answered, requests_of(report).scheduled);
  EXPECT_GT(report.record.strays, 0U);
  EXPECT_TRUE(report.troubles.empty());
}

// The socket goes on, and what comes too late is nobody's answer.
TEST_P(DatagramLoad, ALostRequestIsTimedOut) {
  options_.connections = 1;
  options_.depth = 2;
  options_.timeout = 150ms;
  options_.duration = 600ms;
  uint64_t count = 0;
  std::optional<Slice> late;
  const LoadReport report = run_datagrams([&](Datagram& self, Slice bytes, const Address& from) {
    ++count;
    if (count == 5) late = bytes;
    if (count == 5 || count == 9) return;
    // Rare, so that a simulated second is not a million of these.
    reactor().start_timer(5ms, [self = Datagram(self), bytes, from]() mutable {
      if (self.is_open()) self.send_to(bytes, from);
    });
    if (count == 20) self.send_to(*late, from);
  });
  const Requests& requests = requests_of(report);
  EXPECT_EQ(requests.timed_out, 2U);
  EXPECT_GT(requests.answered, 10U);
  EXPECT_TRUE(report.troubles.empty());
  EXPECT_EQ(report.record.strays, 1U);
  EXPECT_EQ(report.connected, 1U);
  EXPECT_GE(report.record.response().maximum(), 150'000'000);
  EXPECT_NE(judge(report, options_).reason.find("2 requests timed out"), std::string::npos);
}

TEST_P(DatagramLoad, WhatIsNotRightIsAWrongAnswer) {
  options_.connections = 1;
  uint64_t count = 0;
  const LoadReport report = run_datagrams([&](Datagram& self, Slice bytes, const Address& from) {
    std::string text = bytes.str();
    ++count;
    if (count == 1) text.back() ^= 1;
    if (count == 2) text.pop_back();
    if (count == 3) self.send_to("?", from);
    if (count == 4) self.send_to(std::string(64, '\xff'), from);
    self.send_to(text, from);
  });
  const Requests& requests = requests_of(report);
  EXPECT_EQ(requests.wrong, 2U);
  EXPECT_EQ(requests.answered + 2, requests.scheduled);
  EXPECT_EQ(report.troubles.at({Trouble::kWrong, "other bytes came back than were sent"}), 2U);
  EXPECT_EQ(report.troubles.at({Trouble::kWrong, "an answer to no request"}), 2U);
  EXPECT_EQ(judge(report, options_).status, kWrongAnswer);
}

TEST_P(DatagramLoad, WhereNobodyListensTheRunEndsSoon) {
  serve_datagrams(echo);
  server_socket_.reset();
  ASSERT_TRUE(run_until([&] { return !server_is_open_; }));
  options_.duration = 1h;
  const LoadReport report = run_to_its_end();
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_GT(requests_of(report).lost, 0U);
  const Verdict verdict = judge(report, options_);
  EXPECT_EQ(verdict.status, kNoAnswer);
  EXPECT_NE(verdict.reason.find("Connection refused"), std::string::npos) << verdict.reason;
}

TEST_P(DatagramLoad, AServerThatNeverAnswers) {
  options_.timeout = 200ms;
  const LoadReport report = run_datagrams([](Datagram&, const Slice&, const Address&) {});
  EXPECT_EQ(requests_of(report).answered, 0U);
  EXPECT_EQ(judge(report, options_).status, kNoAnswer);
}

EDDY_ON_EVERY_CONFIGURATION(DatagramLoad);

}  // namespace
}  // namespace eddy::load
