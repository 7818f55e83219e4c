// Which keys the requests to a store ask for.
//
// What it is: numbers from 0 to keys - 1, all alike, or by Zipf's law: the k-th in popularity, from
// 1, as often as 1 / k^skew. They are drawn by rejection-inversion, at a cost that does not depend
// on their number (Hörmann, Derflinger: "Rejection-inversion to generate variates from monotone
// discrete distributions", 1996). The popular ones are the low numbers.
//
// Threads: one.
#pragma once

#include <cstdint>

#include "load/random.h"

namespace eddy::load {

class Keys {
 public:
  // keys: 1 to 2^32 - 1; skew: 0, all alike, or more.
  Keys(uint64_t keys, double skew, uint64_t seed);
  // Without a distribution: first, first + step, … and so on beyond the last.
  static Keys in_turn(uint64_t first, uint64_t step);

  uint64_t next() { return is_even_ ? random_.below(keys_) : next_otherwise(); }

 private:
  uint64_t next_otherwise();
  double integral(double x) const;  // of the hat, x^-skew
  double inverse(double y) const;   // of the integral

  uint64_t keys_;
  double skew_;
  bool is_even_;
  uint64_t in_turn_ = 0;
  uint64_t step_ = 0;  // 0: by chance
  double from_ = 0;    // the integral at 3/2, less the weight of rank 1
  double to_ = 0;      // … at keys + 1/2
  double always_ = 0;  // so near to the hat's integer, nothing is rejected
  Random random_;
};

}  // namespace eddy::load
