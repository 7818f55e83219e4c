// Options of the command line, whose values are quantities as people write them.
#pragma once

#include <eddy/core/reactor.h>
#include <stdint.h>

#include <CLI/App.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "quantity.h"

namespace eddy::tools {

std::optional<BackendKind> parse_backend(std::string_view text);

// What an option's value has to be, for its help and for the line that refuses another.
template <typename Value>
struct Kind {
  std::optional<Value> (*parse)(std::string_view);
  const char* name;     // in the help: "TIME"
  const char* example;  // in an error: "a time such as 300ms, 5s or 1m"
};

inline constexpr Kind<std::chrono::nanoseconds> kDuration = {parse_duration, "TIME",
                                                             "a time such as 300ms, 5s or 1m"};
inline constexpr Kind<uint64_t> kSize = {parse_size, "SIZE", "a size such as 64, 16k or 1m"};
inline constexpr Kind<uint64_t> kCount = {parse_count, "N", "a number such as 100 or 10k"};
inline constexpr Kind<double> kRate = {parse_rate, "RATE", "a rate such as 0.5, 100 or 10k"};
inline constexpr Kind<BackendKind> kBackend = {parse_backend, "NAME", "auto, epoll or uring"};

template <typename Value>
struct Range {
  Value least;
  Value most;
};

// Adds an option whose values lie in the range. `shown` is the default as the help shows it, and
// what `target` starts with.
template <typename Value, typename Target>
CLI::Option* add_option(CLI::App& app, const std::string& names, Target& target,
                        const Kind<Value>& kind, Range<Value> range, const std::string& shown,
                        const std::string& help) {
  const auto parse = [&target, kind, range](const std::string& text) -> std::string {
    const auto parsed = kind.parse(text);
    if (!parsed) return "'" + text + "' is not " + kind.example;
    const Value& value = *parsed;
    if (value < range.least) return "'" + text + "' is too little";
    if (value > range.most) return "'" + text + "' is too much";
    target = static_cast<Target>(value);
    return {};
  };
  if (!shown.empty()) parse(shown);
  CLI::Option* option = app.add_option_function<std::string>(
      names,
      [parse, name = names.substr(names.find("--"))](const std::string& text) {
        if (const std::string wrong = parse(text); !wrong.empty()) {
          throw CLI::ValidationError(name, wrong);
        }
      },
      help);
  option->type_name(kind.name);
  if (!shown.empty()) option->default_str(shown);
  return option;
}

// --backend, and what else every command that runs a reactor takes.
void add_reactor_options(CLI::App& app, ReactorOptions& options);

}  // namespace eddy::tools
