// Whether a run stayed as it was: its second half against its first.
//
// What it is: a test by which a warm-up that was left in, a leak, or a queue that grows without end
// is told from the ups and downs of a steady server, whose latencies may be alike for long. Where
// it finds a change, percentiles of the whole run are those of a mixture.
//
// How: the halves' means of the logarithms of latency are compared, since a few very slow requests
// decide an ordinary mean, and since their difference is a ratio of typical latencies. How much a
// half's mean varies is told by its batches (batch_variance.h), and for both halves by the one that
// varies less: a change within a half makes this half look unsteady, and would hide itself
// (Geweke's test, "Evaluating the accuracy of sampling-based approaches", 1992, takes the part that
// has settled for the same reason). The bound is passed once in 2000 times by normal variables.
// By simulation, steady queues pass it in less than 1 of 100 runs, unless a run is only some fifty
// times as long as what the queue needs to forget.
//
// A long run shows differences that are of no account: an even server's 0.3 % is surely one, and
// its percentiles are not worse for it. Below kLeastChange there is no change to speak of.
//
// Threads: any.
#pragma once

#include <cstdint>

#include "load/batches.h"

namespace eddy::load {

struct Stationarity {
  static constexpr double kLeastChange = 1.02;  // as the ratio, or its inverse

  enum class Verdict {
    kSteady,    // no change to speak of was found
    kChanged,   // the second half is faster or slower, by what is told
    kTooShort,  // too few batches, or too few independent samples, for either
  };

  Verdict verdict = Verdict::kTooShort;
  double ratio = 1;  // the second half's typical latency, divided by the first's: 1.14: 14 % slower
  double lower = 1;  // of its 95 % interval
  double upper = 1;
};

Stationarity stationarity(const Batches& batches);

}  // namespace eddy::load
