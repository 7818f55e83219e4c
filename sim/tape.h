// The one source of chance in a simulated world.
//
// What it is: a tape of numbers, made by a generator from a seed, or read from bytes that somebody
// else chose (a fuzzer). Every choice that a world makes is drawn from it, so a tape is a history:
// the same one gives the same run. Zero is the plain choice everywhere (no fault, the first of the
// candidates), and a tape of bytes goes on with zeros at its end: a shorter tape is a simpler run.
//
// Threads: one at a time, like the world.
#pragma once

#include <stdint.h>

#include <span>
#include <vector>

namespace eddy::sim {

class Tape {
 public:
  explicit Tape(uint64_t seed);
  explicit Tape(std::span<const uint8_t> bytes);

  // From 0 to bound - 1; bound is at least 1.
  uint64_t draw(uint64_t bound);
  // From least to most, both included.
  int64_t between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(draw(static_cast<uint64_t>(most - least) + 1));
  }
  // True `in_65536` times out of 65,536. An impossible event draws nothing.
  bool chance(uint32_t in_65536) { return in_65536 != 0 && draw(kCertain) >= kCertain - in_65536; }
  template <typename T>
  const T& any_of(std::span<const T> candidates) {
    return candidates[draw(candidates.size())];
  }

  static constexpr uint32_t kCertain = 65536;

 private:
  uint64_t next_number();
  uint64_t next_bytes(uint64_t bound);

  uint64_t state_[4] = {};
  std::vector<uint8_t> bytes_;
  size_t position_ = 0;
  bool reads_bytes_ = false;
};

}  // namespace eddy::sim
