// Chance that is the same everywhere.
//
// What it is: splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
// 2014), whose n-th number can also be had by itself, and what a schedule draws with it. The
// distributions of the standard library differ between its implementations, and logarithms between
// mathematical libraries; here there are integers, and doubles that are added.
//
// Threads: a Random belongs to one.
#pragma once

#include <cstdint>

namespace eddy::load {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t operator()() { return mix(state_ += kStep); }

  // From 0, which is possible, to 1, which is not.
  double uniform() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }

  // From 0 to bound - 1; bound is at least 1 and below 2^32. The bias is below 2^-32.
  uint64_t below(uint64_t bound) { return scaled((*this)(), bound); }
  static uint64_t scaled(uint64_t drawn, uint64_t bound) { return (drawn >> 32) * bound >> 32; }

  // Exponentially distributed, with mean 1: von Neumann's comparisons ("Various techniques used in
  // connection with random digits", 1951). A uniform number is the fractional part if the run of
  // descending numbers that it begins has odd length; each run of even length adds 1.
  double exponential() {
    for (double whole = 0;; whole += 1) {
      const uint64_t first = (*this)();
      bool odd = true;
      for (uint64_t least = first, drawn; (drawn = (*this)()) < least; least = drawn) odd = !odd;
      if (odd) return whole + static_cast<double>(first >> 11) * 0x1p-53;
    }
  }

  // The number that a Random of this seed gives as its n-th, from 0.
  static uint64_t at(uint64_t seed, uint64_t n) { return mix(seed + (n + 1) * kStep); }

  // Seeds for several sequences from one.
  static uint64_t seed_of(uint64_t seed, uint64_t sequence) { return at(mix(seed), sequence); }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
  static uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

  uint64_t state_;
};

}  // namespace eddy::load
