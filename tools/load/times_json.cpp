#include "load/times_json.h"

#include <nlohmann/json.hpp>

#include "load/percentiles.h"

namespace eddy::load {

using Json = nlohmann::ordered_json;

double us(int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

Json json_of(const Histogram& times) {
  Json object = {{"samples", times.count()}, {"mean", times.mean() / 1e3}};
  for (const double percentile : kPercentiles) {
    object[percentile_name(percentile)] =
        is_known(times, percentile) ? Json(us(value_at(times, percentile))) : Json();
  }
  object["max"] = us(times.maximum());
  object["overflowed"] = times.overflowed();
  return object;
}

}  // namespace eddy::load
