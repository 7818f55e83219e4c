#include "load/ranked_run.h"

#include <stdio.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "load/rank_digest.h"
#include "standard_streams.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;

// At an interrupt, so long is waited for what is in flight: mpirun kills a second after SIGTERM,
// and the report is to be out by then.
constexpr auto kDrain = 400ms;
constexpr auto kToldWithin = 50ms;
constexpr auto kEndedWithin = 5s;

}  // namespace

RankedRun::RankedRun(Reactor& reactor, Ranks& ranks, const LoadOptions& whole, LoadRun& run)
    : reactor_(reactor),
      ranks_(ranks),
      whole_(whole),
      run_(run),
      session_(reactor, ranks,
               {.start = [this](const RankSession::Start& start) { begin(start); },
                .interrupt = [this] { interrupt(); },
                .handed_in = [this](const std::vector<std::string>& all) { sum_up(all); },
                .told = [this](std::string_view how) { told(how); },
                .reduced = [this] { is_combined_ = true; },
                .failed = [this](const RankSession::Failure& why) { give_up(why); }}) {
  run_.hold([this] { session_.settled(rank_digest(whole_)); });
}

RankedRun::~RankedRun() { reactor_.cancel_timer(drain_timer_); }

void RankedRun::begin(const RankSession::Start& start) {
  start_ = start;
  run_.begin(start.at);
}

void RankedRun::interrupt() {
  // Each rank that is told tells the others: for all of them it is one interrupt.
  if (std::exchange(is_interrupted_, true)) return;
  run_.interrupt();
  session_.interrupt();
  drain_timer_ = reactor_.start_timer(kDrain, [this] { run_.finish(); }, {.referenced = false});
}

void RankedRun::sum_up(const std::vector<std::string>& handed_in) {
  auto sum = RankSum::of(handed_in);
  if (!sum) give_up({sum.error(), kRankLost, true});
  sum_ = std::move(*sum);
  session_.tell(sum_->how());
}

void RankedRun::told(std::string_view how) {
  tally_ = tally_of(*findings_, how);
  session_.reduce(tally_.sums, tally_.maxima);
}

void RankedRun::hand_in(const LoadReport& own, const Verdict& verdict) {
  findings_.emplace(RankFindings{own, run_.batches(), run_.timeline()});
  RankRow row = row_of(own, verdict, ranks_.host());
  row.clock_offset = start_.clock_offset;
  row.start_uncertainty = start_.uncertainty;
  session_.hand_in(to_hand_in(*findings_, row));
}

std::optional<LoadReport> RankedRun::combined() {
  if (!sum_) return std::nullopt;
  auto report = sum_->report(tally_, whole_);
  if (!report) give_up({report.error(), kRankLost, true});
  return std::move(*report);
}

std::optional<LoadReport> RankedRun::combine(const LoadReport& own, const Verdict& verdict) {
  hand_in(own, verdict);
  while (!is_combined_) {
    if (const auto turned = reactor_.run_once(); !turned) {
      give_up({turned.error().message(), kRankLost, true});
    }
  }
  return combined();
}

void RankedRun::give_up(const RankSession::Failure& failure) {
  if (failure.is_mine_to_tell) {
    tools::print_error("eddy load", failure.what);
    ranks_.receive(kToldWithin);  // what has been sent goes out meanwhile
    // mpirun forwards the line, and may not do so for a job that it has begun to end.
    std::this_thread::sleep_for(kToldWithin);
    ranks_.abort(failure.status);
  } else {
    std::this_thread::sleep_for(kEndedWithin);  // by that rank's abort, at the latest
  }
  _exit(failure.status);
}

}  // namespace eddy::load
