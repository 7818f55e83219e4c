// A run of which this process is one rank of several.
//
// What it is: it holds the run back until all ranks can start, has it start at the moment that they
// agree on, and makes one report of theirs. Where a rank is lost, the process ends at once, after
// one line of one of the ranks: there is nothing that could be told.
//
// Threads: its reactor's, which is the one that joined the ranks.
#pragma once

#include <eddy/core/reactor.h>

#include <optional>

#include "load/options.h"
#include "load/rank_report.h"
#include "load/rank_session.h"
#include "load/ranks.h"
#include "load/report.h"
#include "load/run.h"
#include "load/tally.h"

namespace eddy::load {

class RankedRun {
 public:
  // `whole` is what all ranks do together, `run` this one's part, which has not been started. All
  // of them outlive it.
  RankedRun(Reactor& reactor, Ranks& ranks, const LoadOptions& whole, LoadRun& run);
  ~RankedRun();
  RankedRun(const RankedRun&) = delete;
  RankedRun& operator=(const RankedRun&) = delete;

  // Ends the run early, for all ranks. Once: what is in flight is not waited for long anyway.
  void interrupt();

  // Once the run is over. Both outlive this.
  void hand_in(const LoadReport& own, const Verdict& verdict);
  // All ranks have.
  bool is_combined() const { return is_combined_; }
  // Then: rank 0 gets the report of the whole; the others nothing, and have nothing left to do but
  // to leave.
  std::optional<LoadReport> combined();

  // All of that: runs the reactor until it is done.
  std::optional<LoadReport> combine(const LoadReport& own, const Verdict& verdict);

 private:
  void begin(const RankSession::Start& start);
  void sum_up(const std::vector<std::string>& handed_in);
  void told(std::string_view how);
  [[noreturn]] void give_up(const RankSession::Failure& failure);

  Reactor& reactor_;
  Ranks& ranks_;
  const LoadOptions& whole_;
  LoadRun& run_;
  RankSession session_;
  RankSession::Start start_{};
  TimerId drain_timer_;
  std::optional<RankFindings> findings_;
  std::optional<RankSum> sum_;
  Tally tally_;
  bool is_interrupted_ = false;
  bool is_combined_ = false;
};

}  // namespace eddy::load
