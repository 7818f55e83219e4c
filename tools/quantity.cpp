#include "quantity.h"

#include <charconv>
#include <cmath>
#include <span>

namespace eddy::tools {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kThousands[] = {{"", 1},    {"k", 1e3}, {"K", 1e3}, {"m", 1e6},
                               {"M", 1e6}, {"g", 1e9}, {"G", 1e9}};

// A number that may have a fraction, and one of the units behind it, in the unit of factor 1.
std::optional<double> parse_quantity(std::string_view text, std::span<const Unit> units) {
  double number = 0;
  const auto parsed = std::from_chars(text.begin(), text.end(), number, std::chars_format::fixed);
  if (parsed.ec != std::errc{} || !(number >= 0)) return std::nullopt;
  const std::string_view name(parsed.ptr, text.end());
  for (const Unit& unit : units) {
    if (unit.name == name) return number * unit.factor;
  }
  return std::nullopt;
}

// What is no whole number in the end ("0.3" connections) is refused, not rounded.
std::optional<uint64_t> parse_whole(std::string_view text, std::span<const Unit> units) {
  const auto quantity = parse_quantity(text, units);
  constexpr double kExact =
      9007199254740992.0;  // 2^53: above it, not every whole number is a double
  if (!quantity || *quantity > kExact || std::floor(*quantity) != *quantity) return std::nullopt;
  return static_cast<uint64_t>(*quantity);
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1e9},   {"ns", 1},     {"us", 1e3},
                                    {"µs", 1e3}, {"ms", 1e6},   {"s", 1e9},
                                    {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}};
  const auto ns = parse_quantity(text, kUnits);
  constexpr double kMost = 9e18;
  if (!ns || *ns > kMost) return std::nullopt;
  return std::chrono::nanoseconds(std::llround(*ns));
}

std::optional<uint64_t> parse_size(std::string_view text) {
  static constexpr double kKi = 1024;
  static constexpr Unit kUnits[] = {{"", 1},
                                    {"B", 1},
                                    {"k", kKi},
                                    {"K", kKi},
                                    {"kB", kKi},
                                    {"KB", kKi},
                                    {"KiB", kKi},
                                    {"m", kKi * kKi},
                                    {"M", kKi * kKi},
                                    {"MB", kKi * kKi},
                                    {"MiB", kKi * kKi},
                                    {"g", kKi * kKi * kKi},
                                    {"G", kKi * kKi * kKi},
                                    {"GB", kKi * kKi * kKi},
                                    {"GiB", kKi * kKi * kKi}};
  return parse_whole(text, kUnits);
}

std::optional<uint64_t> parse_count(std::string_view text) { return parse_whole(text, kThousands); }

std::optional<double> parse_rate(std::string_view text) { return parse_quantity(text, kThousands); }

}  // namespace eddy::tools
