// The highest rate at which a server keeps an objective such as "p99.9<5ms".
//
// What it is: a search over runs at given rates, whoever makes them. From the first rate on it
// doubles or halves until one run was within the objective and one was not, and then halves the
// distance between the two, which is a ratio, until that is no more than the precision. Noise makes
// single runs lie: so a rate at either end of what remains is run twice, with another seed, and a
// third time where the two differ; the majority counts. A rate that turns out to have been judged
// wrongly is passed over, and the search goes on beyond it.
//
// A run is within the objective if it shows that: the percentile's whole interval lies within it.
// One that shows nothing is not within. So the rate that is found is one that was shown, and lies
// below the true one by as much as the runs were too short to tell.
//
// Response times have the client's own lateness in them, so a run that is within is, however late
// the client was. One beyond it, of a client that was the limit, is neither: it ends the way up,
// and then the maximum lies at the rate that was found, or above.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/objective.h"
#include "load/quantile_interval.h"
#include "load/verdict.h"

namespace eddy::load {

class LoadRun;

enum class Standing : uint8_t {
  kWithin,       // shown to be
  kBeyond,       // shown to be, or the server did not keep up, or failed too often
  kUndecided,    // the interval reaches to both sides of the limit, or there is none yet
  kClientLimit,  // not the server's figure
};

struct RateRun {
  double rate = 0;
  Standing standing = Standing::kUndecided;
  QuantileInterval interval;  // of the percentile that the objective is about
  double seconds = 0;
  std::string verdict;  // of the run, in a few words: "VALID", "UNSTABLE"
};

// What an objective can be searched for by: an upper bound of a percentile. Else what is wanted.
Result<void> check_searchable(const Objective& objective);

// What an interval says of an objective; a run, as far as it has come; and a whole run.
Standing standing_of(const QuantileInterval& interval, const Objective& objective);
Standing standing_so_far(const Objective& objective, const Histogram& response,
                         const QuantileInterval& interval);
RateRun judge_rate(double rate, const Objective& objective, const LoadReport& report,
                   const Verdict& verdict);

// Looks at a run after 1, 2, 4, … seconds, and ends it as soon as it is decided: one that is looked
// at all the time shows sooner or later what it does not have. The objective outlives the run.
void end_when_decided(LoadRun& run, const Objective& objective);

struct SearchOptions {
  double first = 1000;      // the rate to begin with
  double least = 1;         // below which runs could tell nothing
  double most = 1e9;        // above which nobody wants to know
  double precision = 0.05;  // of the rate that is found
  size_t most_runs = 64;
};

struct SearchResult {
  enum class End : uint8_t {
    kFound,
    kNeverWithin,   // not even at the least rate
    kAlwaysWithin,  // even at the most
    kClientLimit,   // the client was the limit before the server was
    kNotSettled,    // runs contradicted each other until most_runs of them were made
    kStopped,       // by the one who makes the runs
  };

  End end = End::kFound;
  std::optional<double> max_rate;    // the highest that was shown to be within
  std::optional<double> not_within;  // the lowest above it that was not
  std::vector<RateRun> runs;         // in the order in which they were made
};

struct Search {
  Objective objective;
  SearchResult result;
};

std::string_view name_of(Standing standing);      // "within"
std::string_view name_of(SearchResult::End end);  // "client-limited"
// "the highest rate within p99.9<5ms is 12,300 a second; at 12,900 it was not", and what else there
// is to say.
std::string summary_of(const Search& search);

// `run_at` makes a run at a rate, of another seed for each number; nothing stops the search.
using RunAt = std::function<std::optional<RateRun>(double rate, uint64_t number)>;
SearchResult find_max(const SearchOptions& options, const RunAt& run_at);

}  // namespace eddy::load
