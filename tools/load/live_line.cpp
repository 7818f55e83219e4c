#include "load/live_line.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <span>
#include <string_view>

#include "format.h"

namespace eddy::load {
namespace {

using tools::duration_text;
using tools::fixed;
using tools::grouped;

constexpr std::array<const char*, 8> kBars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<const char*, 8> kAsciiBars = {".", ":", "-", "=", "+", "*", "%", "#"};

std::string seconds_text(std::chrono::nanoseconds time) {
  const double seconds = std::chrono::duration<double>(time).count();
  constexpr double kMinutes = 120;
  if (seconds < kMinutes) return fixed(seconds, 0) + " s";
  return fixed(std::floor(seconds / 60), 0) + " min " +
         fixed(std::fmod(std::floor(seconds), 60), 0) + " s";
}

std::string clock_text(const Moment& moment, const LineStyle& style) {
  if (style.columns == 0 || moment.left < std::chrono::nanoseconds::zero()) {
    return seconds_text(moment.elapsed);
  }
  return seconds_text(moment.left) + " left";
}

std::string time_text(const std::optional<int64_t>& time) {
  return time ? duration_text(static_cast<double>(*time)) : "-";
}

size_t characters_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char each) { return (static_cast<unsigned char>(each) & 0xC0) != 0x80; }));
}

// Each column at least so wide that the line does not jump from second to second.
void add(std::string& line, const std::string& text, size_t width = 0) {
  const size_t characters = characters_of(text);
  line += "  " + text + std::string(width > characters ? width - characters : 0, ' ');
}

// The latest values, as many as there is room for: the last column stays empty.
void add_sparkline(std::string& line, const LiveFigures& figures, const LineStyle& style) {
  constexpr size_t kLeast = 2;
  const std::string name = figures.is_open_loop ? "p99 " : "rate ";
  const size_t taken = characters_of(line) + 2 + name.size() + 1;
  const size_t room = style.columns > taken ? style.columns - taken : 0;
  const size_t shown = std::min(room, figures.course.size());
  if (shown < kLeast) return;
  add(line, name + sparkline(std::span(figures.course).last(shown), style.is_utf8));
}

std::string without_utf8(std::string line) {
  constexpr std::string_view kMicro = "µ";
  for (size_t at; (at = line.find(kMicro)) != std::string::npos;)
    line.replace(at, kMicro.size(), "u");
  return line;
}

}  // namespace

std::string sparkline(std::span<const double> values, bool is_utf8) {
  const auto& bars = is_utf8 ? kBars : kAsciiBars;
  double most = 0;
  for (const double value : values) most = std::max(most, value);
  std::string line;
  for (const double value : values) {
    const double share = most > 0 ? value / most : 0;
    line += bars[std::min(static_cast<size_t>(share * bars.size()), bars.size() - 1)];
  }
  return line;
}

std::string live_line(const LiveFigures& figures, const LineStyle& style) {
  const Moment& moment = figures.moment;
  std::string line;
  if (!figures.whose.empty()) add(line, figures.whose + ":");
  if (moment.phase == Moment::Phase::kConnecting) {
    add(line,
        "connecting: " + grouped(moment.open_connections) + " of " + grouped(figures.connections));
  } else if (moment.phase == Moment::Phase::kDraining) {
    add(line, "waiting for " + tools::counted(moment.in_flight, "answer"));
  } else {
    const bool is_warmup = moment.phase == Moment::Phase::kWarmup;
    add(line, clock_text(moment, style), style.columns > 0 ? 8 : 5);
    add(line, grouped(static_cast<uint64_t>(std::lround(figures.rate))) + "/s", 9);
    if (is_warmup) add(line, "warming up");
    if (!is_warmup && figures.last.maximum > 0) {
      add(line, "p50 " + time_text(figures.last.p50), 11);
      add(line, "p99 " + time_text(figures.last.p99), 11);
      add(line, "max " + time_text(figures.last.maximum), 11);
    }
    if (!is_warmup) add(line, "failed " + grouped(figures.failed));
  }
  if (moment.troubles > 0) add(line, "troubles " + grouped(moment.troubles));
  add_sparkline(line, figures, style);
  return style.is_utf8 ? line : without_utf8(line);
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = getenv(name);
    if (value == nullptr || *value == 0) continue;
    const char* charset = strchr(value, '.');
    return charset != nullptr &&
           (strncasecmp(charset, ".utf-8", 6) == 0 || strncasecmp(charset, ".utf8", 5) == 0);
  }
  return false;
}

}  // namespace eddy::load
