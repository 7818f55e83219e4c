#include "load/verdict.h"

#include <algorithm>
#include <cmath>

#include "format.h"
#include "load/report.h"

namespace eddy::load {
namespace {

using tools::counted;
using tools::duration_text;
using tools::fixed;

// A thread that is on its CPU for more of the time than this has no say in when it sends.
constexpr double kBusyPercent = 95;
// The client's own delay may be so much of what it measured, or so many nanoseconds: what Linux
// allows itself with any timer (PR_SET_TIMERSLACK, prctl(2)), and what waking up costs.
constexpr double kLatenessShare = 0.1;
constexpr int64_t kTimerSlack = 50'000;

// A rank or a thread has no share of the requests where there are fewer of those.
bool is_asked_for_nothing(const LoadOptions& options) {
  return !is_open_loop(options) && options.requests == 0;
}

// Why there are no figures at all, if there are none.
Verdict nothing_measured(const LoadReport& report, const LoadOptions& options) {
  const Troubles& troubles = report.troubles;
  if (const std::string cause = main_cause(troubles, Trouble::kTls);
      report.answered == 0 && !cause.empty()) {
    return {kTlsFailed, "",
            "TLS with " + options.tls.server_name + " at " + options.address.to_string() + ": " +
                cause};
  }
  if (report.connected == 0 && count_of(troubles, Trouble::kConnect) > 0) {
    return {kNoConnection, "",
            "no connection to " + options.address.to_string() + ": " +
                main_cause(troubles, Trouble::kConnect)};
  }
  if (report.interrupted && report.seconds == 0) {
    return {kInterrupted, "", "interrupted before anything was measured"};
  }
  if (report.answered == 0 && !is_asked_for_nothing(options)) {
    std::string cause = main_cause(troubles, Trouble::kLost);
    if (cause.empty()) {
      cause = report.is_heard ? "bytes came, but no whole answer" : "the server sent nothing";
    }
    return {kNoAnswer, "", "nothing was answered: " + cause};
  }
  return {};
}

// Why it is the client that was measured, if it was.
std::string client_limit(const LoadReport& report, const LoadOptions& options) {
  double busy = 0;  // of the busiest thread
  for (const WorkerReport& worker : report.workers) busy = std::max(busy, worker.busy_percent());
  // With a schedule, the time that was left is spent in waiting for its next moment.
  if (!is_open_loop(options) && busy >= kBusyPercent) {
    const std::string who =
        report.workers.size() == 1 ? "the client was" : "a thread of the client was";
    return who + " busy " + fixed(busy, 0) +
           " % of the time: its own waiting is in the latencies, and the server may do more";
  }
  const auto lateness = known_at(report.record.lateness, 99);
  const auto response = known_at(report.record.response(), 99);
  if (!lateness || !response || *lateness <= kTimerSlack) return {};
  if (static_cast<double>(*lateness) <= kLatenessShare * static_cast<double>(*response)) return {};
  return "the client was up to " + duration_text(static_cast<double>(*lateness)) +
         " late for 99 % of its requests, more than a tenth of the response time's " +
         duration_text(static_cast<double>(*response));
}

std::string percent(double ratio) { return fixed((ratio - 1) * 100, 1); }

std::string instability(const LoadReport& report, const LoadOptions& options) {
  const uint64_t unsent = report.record.requests.unsent;
  if (unsent > 0) {
    return counted(unsent, "request") + " could not be sent: " +
           (count_of(report.troubles, Trouble::kConnect) > 0
                ? "connections could not be made for them"
                : "no connection became free for them, so the queue grew");
  }
  // A rate that is meant to change need not give latencies that do not.
  const bool is_steady = options.segments.empty() && options.pacing != Pacing::kReplayed;
  const Stationarity& found = report.stationarity;
  if (!is_steady || found.verdict != Stationarity::Verdict::kChanged) return {};
  const bool slower = found.ratio > 1;
  return "the second half was " + percent(slower ? found.ratio : 1 / found.ratio) + " % " +
         (slower ? "slower" : "faster") + " than the first";
}

std::string shortness(const LoadReport& report) {
  const QuantileInterval& interval = report.intervals[kJudged];
  switch (interval.verdict) {
    case QuantileInterval::Verdict::kKnown: return {};
    case QuantileInterval::Verdict::kTooFewBeyond:
      return "p99 wants 1,000 requests, and this run had " +
             tools::grouped(report.record.requests.scheduled);
    case QuantileInterval::Verdict::kTooShort: break;
  }
  const double times = QuantileInterval::kLeastEffective / std::max(interval.effective, 0.01);
  return "slow requests came in too few bursts for an interval of p99: it wants about " +
         fixed(std::ceil(times), 0) + " times as long";
}

Verdict worth_of(const LoadReport& report, const LoadOptions& options) {
  if (std::string why = client_limit(report, options); !why.empty()) {
    return {kClientLimited, "CLIENT-LIMITED", why};
  }
  if (std::string why = instability(report, options); !why.empty())
    return {kUnstableRun, "UNSTABLE", why};
  if (std::string why = shortness(report); !why.empty()) return {kTooShortRun, "TOO SHORT", why};
  return {kMeasured, "VALID", ""};
}

std::string errors_met(const LoadReport& report) {
  if (const uint64_t all = count_of(report.troubles); all > 0) {
    return "connections met trouble: " + counted(all, "time") + ", most often " +
           main_cause(report.troubles);
  }
  const uint64_t timed_out = report.record.requests.timed_out;
  return timed_out == 0 ? "" : counted(timed_out, "request") + " timed out";
}

void add_reason(Verdict& verdict, const std::string& reason) {
  verdict.reason += (verdict.reason.empty() ? "" : "; ") + reason;
}

// Errors explain what else is wrong with a run; what is unanswered may be a queue's end.
void judge_failures(const LoadReport& report, Verdict& verdict) {
  if (std::string errors = errors_met(report); !errors.empty()) {
    if (!verdict.reason.empty()) errors += "; " + verdict.reason;
    verdict.reason = std::move(errors);
    verdict.status = kMeasuredWithTroubles;
  } else if (const uint64_t waiting = report.record.requests.unanswered; waiting > 0) {
    add_reason(verdict, counted(waiting, "request") + " not answered at the end");
    if (verdict.status == kMeasured) verdict.status = kMeasuredWithTroubles;
  }
}

// One that is crossed outweighs what else the run is worth. Where all are known and none is, the
// run was long enough for what was asked of it.
void judge_thresholds(const LoadReport& report, const LoadOptions& options, Verdict& verdict) {
  bool all_known = !options.fail_if.empty();
  for (const Objective& objective : options.fail_if) {
    Judgement& found = verdict.thresholds.emplace_back(judge_objective(objective, report));
    const std::string line = objective.text + ": " + found.to_string();
    all_known = all_known && found.known;
    if (found.holds) {
      verdict.status = kCrossed;
      add_reason(verdict, line);
    } else if (!found.known && verdict.status == kMeasured) {
      verdict.status = kTooShortRun;
      verdict.word = "TOO SHORT";
      add_reason(verdict, line);
    }
  }
  if (all_known && verdict.status == kTooShortRun) verdict.status = kMeasured;
}

}  // namespace

Verdict judge(const LoadReport& report, const LoadOptions& options) {
  const Troubles& troubles = report.troubles;
  Verdict verdict;
  if (const uint64_t wrong = count_of(troubles, Trouble::kWrong); wrong > 0) {
    verdict = {kWrongAnswer, "",
               main_cause(troubles, Trouble::kWrong) + ", " + counted(wrong, "time")};
  } else if (Verdict none = nothing_measured(report, options); none.status != kMeasured) {
    return none;
  } else {
    verdict = worth_of(report, options);
    judge_failures(report, verdict);
  }
  if (report.has_figures()) judge_thresholds(report, options, verdict);
  return verdict;
}

void judge_written(const Result<void>& written, Verdict& verdict) {
  if (written || verdict.status == kNotWritten) return;
  verdict.status = kNotWritten;
  add_reason(verdict, written.error().message());
}

}  // namespace eddy::load
