// Whether one of two set-ups is slower than the other: repeated runs of each.
//
// What it is: a comparison of one figure per run, such as its p99, which all runs of a set-up
// measure alike. Runs differ by more than their requests tell (where memory lies, what else the
// machine does), so the runs are the sample, and the more of them, taken in turns, the better.
//
// How: a permutation test on the difference of the mean logarithms. If the set-ups are alike, which
// runs bear which name is chance; the p-value is the part of all ways to give out the names by
// which the difference would be at least as great, counted towards the observed side and doubled.
// All ways, where there are at most 20,000, else so many at random. The interval has the ratios
// that the same test does not refuse, once B's figures are divided by them (Garthwaite: "Confidence
// intervals from randomization tests", 1996); each way refuses from one ratio on, so they are
// sorted.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace eddy::load {

struct Comparison {
  enum class Verdict {
    kNoDifference,  // none shown: the interval has 1 in it
    kFaster,        // B's figure is lower than A's
    kSlower,        // B's figure is higher than A's
    kTooFewRuns,    // so few that no difference would be shown: 4 of each would do, or 3 and 5
  };

  Verdict verdict = Verdict::kTooFewRuns;
  double ratio = 1;  // B's mean, divided by A's; geometric means. 1 if there are no runs of one
  double lower = 0;  // of its 95 % interval; of kTooFewRuns, there is none
  double upper = 0;
  double p_value = 1;
};

// Whether so many runs could show a difference, however great.
bool can_differ(size_t runs_of_a, size_t runs_of_b);

// Of figures above 0, one a run.
Comparison compare(std::span<const double> a, std::span<const double> b, uint64_t seed = 1);

}  // namespace eddy::load
