#include "load/find_max.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "format.h"
#include "load/percentiles.h"
#include "load/report.h"
#include "load/run.h"

namespace eddy::load {
namespace {

using End = SearchResult::End;

constexpr int kConfirmed = 2;  // runs

// What the runs at a rate said.
struct Votes {
  int within = 0;
  int limited = 0;  // by the client
  int against = 0;  // those among them

  bool is_tied() const { return within == against; }
  bool is_within() const { return within > against; }
  bool is_limited() const { return 2 * limited > against; }
  int all() const { return within + against; }
};

class Bracket {
 public:
  explicit Bracket(const SearchOptions& options)
      : options_(options), first_(std::clamp(options.first, options.least, options.most)) {}

  void add(const RateRun& run) {
    Votes& votes = votes_[run.rate];
    ++(run.standing == Standing::kWithin ? votes.within : votes.against);
    votes.limited += run.standing == Standing::kClientLimit ? 1 : 0;
  }

  // Nothing once it is found.
  std::optional<double> next() const {
    if (votes_.empty()) return first_;
    for (const auto& [rate, votes] : votes_) {
      if (votes.is_tied()) return rate;
    }
    const auto [low, high] = ends();
    if (high == votes_.end()) return low->first < options_.most ? above(low->first) : confirm(low);
    if (low == votes_.end()) {
      return high->first > options_.least ? below(high->first) : confirm(high);
    }
    if (high->first > low->first * (1 + options_.precision)) {
      return std::sqrt(low->first * high->first);
    }
    const auto again = confirm(high);
    return again ? again : confirm(low);
  }

  void tell(SearchResult& result) const {
    const auto [low, high] = ends();
    if (low != votes_.end()) result.max_rate = low->first;
    if (high != votes_.end()) result.not_within = high->first;
    if (result.end != End::kFound) return;
    if (high != votes_.end() && high->second.is_limited()) {
      result.end = End::kClientLimit;
    } else if (low == votes_.end()) {
      result.end = End::kNeverWithin;
    } else if (high == votes_.end()) {
      result.end = End::kAlwaysWithin;
    }
  }

 private:
  using Place = std::map<double, Votes>::const_iterator;

  // The lowest rate that is not within, and the highest one below it, which is.
  std::pair<Place, Place> ends() const {
    const auto high =
        std::ranges::find_if(votes_, [](const auto& each) { return !each.second.is_within(); });
    return {high == votes_.begin() ? votes_.end() : std::prev(high), high};
  }
  std::optional<double> confirm(Place place) const {
    return place->second.all() < kConfirmed ? std::optional(place->first) : std::nullopt;
  }
  double above(double rate) const { return std::min(rate * 2, options_.most); }
  double below(double rate) const { return std::max(rate / 2, options_.least); }

  SearchOptions options_;
  double first_;
  std::map<double, Votes> votes_;
};

// The share of requests that a percentile leaves out may fail as well as be slow.
bool fails_too_often(const Objective& objective, const LoadReport& report) {
  return error_share(report.record.requests) > 1 - objective.percent / 100;
}

// A queue that grows tells no interval, however clear it is: most requests were too slow.
bool is_far_beyond(const Objective& objective, const Histogram& response) {
  return is_known(response, 50) &&
         !objective.holds_at(static_cast<double>(response.percentile(50)));
}

Standing standing_of(const Objective& objective, const LoadReport& report, const Verdict& verdict,
                     const QuantileInterval& interval) {
  const Standing standing = standing_so_far(objective, report.record.response(), interval);
  // What is late by the client's fault is slow by it: so a run that is within the objective all the
  // same is, and one beyond it says nothing of the server.
  if (standing == Standing::kBeyond && verdict.word == "CLIENT-LIMITED") {
    return Standing::kClientLimit;
  }
  if (verdict.word == "UNSTABLE" && standing == Standing::kWithin) return Standing::kUndecided;
  return fails_too_often(objective, report) ? Standing::kBeyond : standing;
}

}  // namespace

Standing standing_of(const QuantileInterval& interval, const Objective& objective) {
  if (interval.verdict != QuantileInterval::Verdict::kKnown) return Standing::kUndecided;
  if (!objective.holds_at(static_cast<double>(interval.lower))) return Standing::kBeyond;
  const bool within = !interval.open && objective.holds_at(static_cast<double>(interval.upper));
  return within ? Standing::kWithin : Standing::kUndecided;
}

Standing standing_so_far(const Objective& objective, const Histogram& response,
                         const QuantileInterval& interval) {
  return is_far_beyond(objective, response) ? Standing::kBeyond : standing_of(interval, objective);
}

Result<void> check_searchable(const Objective& objective) {
  const bool is_upper = objective.relation == Objective::Relation::kBelow ||
                        objective.relation == Objective::Relation::kAtMost;
  if (is_upper && objective.figure == Objective::Figure::kPercentile) return {};
  return std::unexpected(Error(std::make_error_code(std::errc::invalid_argument), "objective",
                               objective.text,
                               "the highest rate is searched for by an upper bound of a "
                               "percentile, such as p99.9<5ms"));
}

std::string_view name_of(Standing standing) {
  switch (standing) {
    case Standing::kWithin: return "within";
    case Standing::kBeyond: return "beyond";
    case Standing::kUndecided: return "undecided";
    case Standing::kClientLimit: break;
  }
  return "client-limited";
}

std::string_view name_of(End end) {
  switch (end) {
    case End::kFound: return "found";
    case End::kNeverWithin: return "never-within";
    case End::kAlwaysWithin: return "always-within";
    case End::kClientLimit: return "client-limited";
    case End::kNotSettled: return "not-settled";
    case End::kStopped: break;
  }
  return "stopped";
}

std::string summary_of(const Search& search) {
  const SearchResult& found = search.result;
  const std::string objective = search.objective.text;
  const auto rate = [](const std::optional<double>& value) {
    return tools::grouped(static_cast<uint64_t>(std::llround(value.value_or(0))));
  };
  if (!found.max_rate) {
    std::string line = "no rate was shown to be within " + objective;
    if (found.end == End::kStopped) return line + ": the search was stopped";
    if (found.end == End::kClientLimit) {
      return line + ": already at " + rate(found.not_within) +
             " a second the client was the limit, so the server's cannot be told";
    }
    if (found.not_within) line += ", not even " + rate(found.not_within) + " a second";
    if (found.end == End::kNeverWithin) line += "; longer runs (-d) tell of lower rates";
    return line;
  }
  const std::string highest = "the highest rate within " + objective;
  switch (found.end) {
    case End::kClientLimit:
      return highest + " is " + rate(found.max_rate) + " a second, which was shown, or above: at " +
             rate(found.not_within) + " the client was the limit";
    case End::kAlwaysWithin: return highest + " is above " + rate(found.max_rate) + " a second";
    case End::kNotSettled:
      return highest + " may be " + rate(found.max_rate) + " a second: runs contradict each other";
    case End::kStopped:
      return highest + " is " + rate(found.max_rate) + " a second or above: the search was stopped";
    case End::kFound:
    case End::kNeverWithin: break;
  }
  return highest + " is " + rate(found.max_rate) + " a second; at " + rate(found.not_within) +
         " it was not shown to be";
}

RateRun judge_rate(double rate, const Objective& objective, const LoadReport& report,
                   const Verdict& verdict) {
  const QuantileInterval interval = report.interval_of(objective.percent);
  return {.rate = rate,
          .standing = standing_of(objective, report, verdict, interval),
          .interval = interval,
          .seconds = report.seconds,
          .verdict = verdict.word.empty() ? verdict.reason : verdict.word};
}

void end_when_decided(LoadRun& run, const Objective& objective) {
  run.on_second([&run, &objective, seconds = 0, look = 1]() mutable {
    if (++seconds < look) return;
    look *= 2;
    const auto interval = run.interval_so_far(objective.percent);
    const Standing standing = standing_so_far(objective, run.response_so_far(), interval);
    if (standing != Standing::kUndecided) run.interrupt();
  });
}

SearchResult find_max(const SearchOptions& options, const RunAt& run_at) {
  Bracket bracket(options);
  SearchResult result;
  for (auto rate = bracket.next(); rate; rate = bracket.next()) {
    if (result.runs.size() == options.most_runs) {
      result.end = End::kNotSettled;
      break;
    }
    auto run = run_at(*rate, result.runs.size());
    if (!run) {
      result.end = End::kStopped;
      break;
    }
    bracket.add(*run);
    result.runs.push_back(std::move(*run));
  }
  bracket.tell(result);
  return result;
}

}  // namespace eddy::load
