// What a run comes to: whether its figures can be trusted, and why not.
//
//   VALID           the server was measured
//   CLIENT-LIMITED  the client was: it was busy all the time, or sent late
//   UNSTABLE        it changed while it was measured: the figures are those of a mixture
//   TOO SHORT       for an interval of the 99th percentile
#pragma once

#include <eddy/core/error.h>

#include <string>
#include <vector>

#include "load/objective.h"
#include "load/options.h"

namespace eddy::load {

struct LoadReport;

// The exit statuses of `eddy load`, beside kBadUsage.
inline constexpr int kMeasured = 0;
inline constexpr int kMeasuredWithTroubles = 1;
inline constexpr int kNoConnection = 3;
inline constexpr int kNoAnswer = 4;
inline constexpr int kWrongAnswer = 5;
inline constexpr int kClientLimited = 6;
inline constexpr int kUnstableRun = 7;
inline constexpr int kTooShortRun = 8;
inline constexpr int kNotWritten = 9;     // a file that was asked for, or standard output
inline constexpr int kTlsFailed = 10;     // nothing was answered for it
inline constexpr int kRankLost = 11;      // of several: there is no whole
inline constexpr int kCrossed = 99;       // what --fail-if says holds
inline constexpr int kInterrupted = 130;  // before there was anything to report

struct Verdict {
  int status = kMeasured;
  std::string word;                     // "VALID"; empty if nothing was measured
  std::string reason;                   // empty if there is nothing to say
  std::vector<Judgement> thresholds{};  // of --fail-if, if anything was measured
};
Verdict judge(const LoadReport& report, const LoadOptions& options);
// What was to be written could not be: the first such failure outweighs the rest.
void judge_written(const Result<void>& written, Verdict& verdict);

}  // namespace eddy::load
