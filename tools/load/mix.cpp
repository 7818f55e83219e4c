#include "load/mix.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <system_error>

namespace eddy::load {
namespace {

std::unexpected<Error> refused(std::string subject, std::string why) {
  return std::unexpected(Error(std::make_error_code(std::errc::invalid_argument), "mix",
                               std::move(subject), std::move(why)));
}

// 2^64 times a fraction; a fraction of 1 is one less.
uint64_t share_of_all(double fraction) {
  const double share = fraction * 0x1p64;
  return share < 0x1p64 ? static_cast<uint64_t>(share) : std::numeric_limits<uint64_t>::max();
}

}  // namespace

Result<Mix> Mix::make(std::span<const double> weights) {
  double total = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!std::isfinite(weights[i]) || weights[i] < 0) {
      return refused("weight " + std::to_string(i + 1), "a weight is a number from 0 upwards");
    }
    total += weights[i];
  }
  if (!std::isfinite(total) || total <= 0) return refused({}, "the weights' sum must be above 0");
  Mix mix;
  double end = 0;
  for (const double weight : weights.first(weights.size() - 1)) {
    end += weight;
    mix.ends_.push_back(share_of_all(end / total));
  }
  return mix;
}

}  // namespace eddy::load
