// Arrival times read from a text.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "load/schedule.h"

namespace eddy::load {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kBlank = " \t\r";

// The next word of a line, which is cut off it. Empty at the line's end.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

template <typename Number>
bool read(std::string_view word, Number& number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size();
}

// A time in seconds; negative if it is none.
nanoseconds read_time(std::string_view word) {
  constexpr double kMost = 1e9;  // seconds: beyond, a double has not the nanoseconds' half
  double seconds = 0;
  const bool is_time = read(word, seconds) && seconds >= 0 && seconds <= kMost;
  return nanoseconds(is_time ? std::llround(seconds * 1e9) : -1);
}

std::unexpected<Error> refused(std::string subject, std::string why) {
  return std::unexpected(Error(std::make_error_code(std::errc::invalid_argument), "replay",
                               std::move(subject), std::move(why)));
}

}  // namespace

Result<Schedule> Schedule::replay(std::string_view text, std::string_view name, Mix mix,
                                  uint64_t seed) {
  Schedule schedule(Spacing::kRecorded, *RateProfile::make({{.from = 1, .to = 1}}), std::move(mix),
                    seed);
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = line.substr(0, line.find('#'));

    const std::string_view time = take_word(line);
    if (time.empty()) continue;
    const std::string place = std::string(name) + ":" + std::to_string(number);
    Arrival arrival{read_time(time), schedule.kind_of(schedule.recorded_.size())};
    if (arrival.at < nanoseconds(0)) {
      return refused(place, "'" + std::string(time) + "' is no time in seconds from 0 to 1e9");
    }
    if (!schedule.recorded_.empty() && arrival.at < schedule.recorded_.back().at) {
      return refused(place, "this time is before the last one");
    }
    if (const std::string_view kind = take_word(line);
        !kind.empty() && (!read(kind, arrival.kind) || arrival.kind >= schedule.mix_.kinds())) {
      return refused(place, "'" + std::string(kind) + "' is no kind from 0 to " +
                                std::to_string(schedule.mix_.kinds() - 1));
    }
    if (!take_word(line).empty()) return refused(place, "a line has a time and a kind");
    schedule.recorded_.push_back(arrival);
  }
  if (schedule.recorded_.empty()) return refused(std::string(name), "there is no time in it");
  return schedule;
}

}  // namespace eddy::load
