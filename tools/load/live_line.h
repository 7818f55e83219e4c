// How a run stands, on one line for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "load/observer.h"
#include "load/options.h"

namespace eddy::load {

// What the line tells of the last whole second. Times in nanoseconds.
struct LastSecond {
  std::optional<int64_t> p50;
  std::optional<int64_t> p99;
  int64_t maximum = 0;
};

struct LiveFigures {
  std::string whose;  // if they are not of the whole run: "rank 0 of 4"
  Moment moment;
  double rate = 0;           // answers a second, lately
  uint64_t connections = 0;  // wanted
  LastSecond last;
  uint64_t failed = 0;         // requests of the window, and those that were never answered
  std::vector<double> course;  // the sparkline: of p99 where there is a schedule, else of the rate
  bool is_open_loop = false;
};

// Where it goes.
struct LineStyle {
  // Of a terminal: then with the time that is left, and a sparkline as far as there is room for it;
  // 0 elsewhere, with the time that has passed.
  size_t columns = 0;
  bool is_utf8 = true;  // ASCII alone if not
};

std::string live_line(const LiveFigures& figures, const LineStyle& style);

// Each value as a bar between 0 and the greatest of them: ▁ to █, or . to #.
std::string sparkline(std::span<const double> values, bool is_utf8);

// What the environment says of the locale (setlocale(3)): LC_ALL, LC_CTYPE or LANG.
bool locale_is_utf8();

}  // namespace eddy::load
