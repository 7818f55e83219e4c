// Which kind of request each arrival is.
//
// What it is: weights of the kinds, and a draw for each arrival by its number in the schedule, so
// that a kind depends neither on the times nor on which worker sends the request.
//
// Threads: a mix does not change; any thread may read it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <eddy/core/error.h>

namespace eddy::load {

class Mix {
 public:
  // One kind alone.
  Mix() = default;

  // Refused: no weights, one that is negative or no finite number, all of them 0.
  static Result<Mix> make(std::span<const double> weights);

  uint32_t kinds() const { return static_cast<uint32_t>(ends_.size()) + 1; }

  // Where each kind but the last ends in the range of random numbers.
  std::span<const uint64_t> ends() const { return ends_; }

  // The kind that a random number stands for.
  uint32_t kind_of(uint64_t drawn) const {
    uint32_t kind = 0;
    while (kind < ends_.size() && drawn >= ends_[kind]) ++kind;
    return kind;
  }

  // How many of so many have that kind or one before it, on average. `up`, from 0 to 1, is added
  // before fractions are cut off.
  uint64_t share_up_to(uint32_t kind, uint64_t count, double up) const {
    if (kind >= ends_.size()) return count;
    const double share = static_cast<double>(ends_[kind]) * 0x1p-64;
    return std::min(count, static_cast<uint64_t>(share * static_cast<double>(count) + up));
  }

 private:
  std::vector<uint64_t> ends_;  // of the kinds' shares of 2^64, but for the last kind's
};

}  // namespace eddy::load
