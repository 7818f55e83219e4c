#include "load/rate_text.h"

#include <string>

#include "quantity.h"

namespace eddy::load {
namespace {

std::unexpected<Error> refuse(std::string_view part, const char* why) {
  return std::unexpected(
      Error(make_error_code(std::errc::invalid_argument), "rate", std::string(part), why));
}

Result<RateSegment> parse_part(std::string_view part, bool is_last) {
  RateSegment segment;
  std::string_view rates = part;
  if (const size_t colon = part.find(':'); colon != std::string_view::npos) {
    const auto length = tools::parse_duration(part.substr(colon + 1));
    if (!length || *length <= std::chrono::nanoseconds::zero()) {
      return refuse(part, "behind the colon is how long it lasts, such as 30s");
    }
    segment.length = *length;
    rates = part.substr(0, colon);
  } else if (!is_last) {
    return refuse(part, "only the last part may last for ever: say how long, as in 5k:30s");
  }
  const size_t dots = rates.find("..");
  const auto from = tools::parse_rate(rates.substr(0, dots));
  const auto to = dots == std::string_view::npos ? from : tools::parse_rate(rates.substr(dots + 2));
  if (!from || !to) return refuse(part, "a rate is 0.5, 100 or 10k; a ramp goes from 1k..10k:1m");
  if (from != to && segment.length == RateSegment::kEndless) {
    return refuse(part, "a ramp wants to know how long it is, as in 1k..10k:1m");
  }
  segment.from = *from;
  segment.to = *to;
  return segment;
}

}  // namespace

Result<std::vector<RateSegment>> parse_rates(std::string_view text) {
  std::vector<RateSegment> segments;
  std::string_view rest = text;
  for (bool is_last = false; !is_last;) {
    const size_t comma = rest.find(',');
    is_last = comma == std::string_view::npos;
    auto segment = parse_part(rest.substr(0, comma), is_last);
    if (!segment) return std::unexpected(segment.error());
    segments.push_back(*segment);
    if (!is_last) rest.remove_prefix(comma + 1);
  }
  // As long as times can be told, together.
  if (segments.back().length == RateSegment::kEndless) {
    for (size_t i = 0; i + 1 < segments.size(); ++i) segments.back().length -= segments[i].length;
  }
  if (const auto profile = RateProfile::make(segments); !profile) {
    return refuse(text, "rates are from 0 to 1g, and one of them is above 0");
  }
  return segments;
}

std::optional<std::chrono::nanoseconds> length_of(const std::vector<RateSegment>& segments) {
  std::chrono::nanoseconds length{};
  for (const RateSegment& segment : segments) length += segment.length;
  if (length == RateSegment::kEndless) return std::nullopt;
  return length;
}

}  // namespace eddy::load
