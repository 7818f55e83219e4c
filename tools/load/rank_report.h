// How the reports of all ranks become one.
//
// What it is: each rank hands in what cannot be added number by number: its troubles, its threads,
// its timeline, and its own figures as a row. Rank 0 reads that and tells how the rest is added,
// since batches of a run that was interrupted may be of different lengths. Then each makes a tally
// of its numbers by that, in one order, and the sum of the tallies is the whole's: histograms are
// exactly those of all requests.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "load/batches.h"
#include "load/options.h"
#include "load/rank_row.h"
#include "load/report.h"
#include "load/tally.h"
#include "load/timeline.h"
#include "load/verdict.h"

namespace eddy::load {

// Of one rank.
struct RankFindings {
  const LoadReport& report;
  const Batches& batches;
  const Timeline& timeline;
};

// The figures of a report, without what only the ranks' clocks know.
RankRow row_of(const LoadReport& report, const Verdict& verdict, const std::string& host);

std::string to_hand_in(const RankFindings& findings, const RankRow& row);

// The numbers of a rank's findings, as rank 0 told.
Tally tally_of(const RankFindings& findings, std::string_view how);

// On rank 0: what all have handed in, rank 0 the first.
class RankSum {
 public:
  // The error is one line.
  static std::expected<RankSum, std::string> of(const std::vector<std::string>& handed_in);

  // To be told to all.
  std::string how() const;
  // `sum` is that of all tallies, the options are those of the whole.
  std::expected<LoadReport, std::string> report(const Tally& sum, const LoadOptions& options) const;

 private:
  RankSum() = default;
  bool take(const std::string& handed_in);

  // As in the report.
  bool is_heard_ = false;
  bool interrupted_ = false;
  double seconds_ = 0;
  uint64_t server_cpu_ns_ = 0;
  Troubles troubles_;
  std::map<std::string, uint64_t> agreed_;  // by handshakes
  std::vector<WorkerReport> workers_;
  std::vector<RankRow> rows_;
  Timeline timeline_;
  // Batches as all can have them.
  uint64_t spans_per_batch_ = 1;
  std::vector<std::pair<uint64_t, uint64_t>> batches_;  // each rank's, and of how many spans
};

// What the whole is worth: no more than what it shows, and than a rank of it that could not do its
// part: one that reached nothing, or was a limit itself. Whether a single rank's share was long or
// steady enough does not matter.
Verdict judge_ranks(const LoadReport& whole, const LoadOptions& options);

}  // namespace eddy::load
