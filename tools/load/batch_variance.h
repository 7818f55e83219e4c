// How much a sum over a run varies from run to run, told from its batches.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <span>

namespace eddy::load {

// Fewer batches do not tell it.
inline constexpr size_t kLeastBatches = 16;

// The variance of the sum of what `residuals` has, of one batch each and in their order: what the
// batch contributed less what it would have, had it been like all. With b batches of residuals d
// and their autocorrelation r at lag 1,
//
//   b / (b - 1)  Σ d²  (1 + r) / (1 - r),   r = 1 - Σ (d[i] - d[i-1])² / (2 Σ d²), at least 0
//
// that is the method of batch means, and what is left of the correlation where batches are too
// short for it, taken to decline as an autoregressive process's of order 1 does (Steiger et al.:
// "ASAP3: a batch means procedure for steady-state simulation analysis", 2005, correct alike; r is
// by von Neumann's ratio, 1941, which is less biased than the sample's correlation).
double variance_of_sum(std::span<const double> residuals);

// By how many standard errors an estimate misses the truth with the probability that a normal
// variable passes `z`: Student's quantile (Abramowitz and Stegun, 26.7.5). `freedom`, at least 1,
// are the degrees of freedom: batches less 1 for an error told by variance_of_sum.
double error_bound(double z, double freedom);

}  // namespace eddy::load
