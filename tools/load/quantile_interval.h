// A percentile of a run's latencies, and how sure it is.
//
// What it is: an interval that has the percentile of an endless run under the same conditions in
// it, for 95 of 100 runs, although latencies that follow each other are alike. And where a run is
// too short for that: a verdict instead.
//
// How: with p the percentile as a fraction, x the true one and n samples, the fraction of samples
// beyond x has the mean 1 - p, and by central limits for dependent variables a variance of
// p (1 - p) / m, where m, the effective number of samples, is smaller than n by how much the counts
// beyond the observed percentile vary between batches of the run, against independent samples. So
// x lies between the observed quantiles beyond which the fractions
//
//   1 - p - s / m  ±  t √(p (1 - p) / m)
//
// lie (Woodruff: "Confidence intervals for medians and other position measures", 1952), t being
// Student's. The shift by s is for the skew: what lies beyond comes in a few bursts, and a run that
// has met few of them sees too small a percentile and too small a variance both (compare Johnson:
// "Modified t tests", 1978). s = 1.5 was found by simulation of queues, and so were t's degrees of
// freedom, at most the effective number of samples beyond, and the least of these, 10; which is
// asked of the percentile beyond which 4 times as much lies, too, as what varies there is surer.
//
// A sample that is only a lower bound, of a request that was never answered, may belong anywhere
// above: the upper end is where it would be if all of these were beyond it, and open if they are
// more than what lies beyond.
//
// What it does not know: a run from which nothing shows that it is too short. Of runs so short that
// few of them tell an interval, those few are the ones that met too little, and most of their
// intervals lie beneath the truth; that is some 1 of 100 of all such runs. And an interval speaks
// of chance alone: not of a server that changes (stationarity.h), nor of another day.
//
// Threads: any.
#pragma once

#include <cstdint>

#include <eddy/core/histogram.h>

#include "load/batches.h"

namespace eddy::load {

struct QuantileInterval {
  enum class Verdict {
    kKnown,         // value, and the interval from lower to upper
    kTooShort,      // value, without an interval: the run is too short to tell one
    kTooFewBeyond,  // nothing: fewer than 10 samples lie beyond the percentile
  };

  Verdict verdict = Verdict::kTooFewBeyond;
  int64_t value = 0;
  int64_t lower = 0;
  int64_t upper = 0;
  bool open = false;     // the upper end lies beyond what was seen: it is at least `upper`
  double effective = 0;  // independent samples that would tell as much as those beyond it (for a
                         // percentile below 50, those up to it); a run that is kTooShort would need
                         // to be about kLeastEffective / effective times as long

  static constexpr uint64_t kLeastBeyond = 10;
  static constexpr double kLeastEffective = 10;
};

// Of all that was recorded in the run. `percent` lies between 0 and 100. The batches are those of
// the same run; `whole` may have more digits. So many of the samples are lower bounds.
QuantileInterval quantile_interval(const Histogram& whole, const Batches& batches, double percent,
                                   uint64_t lower_bounds = 0);

}  // namespace eddy::load
