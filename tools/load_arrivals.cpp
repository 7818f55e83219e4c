#include "load_arrivals.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.h"
#include "load/rate_text.h"
#include "load/text_file.h"

namespace eddy::tools {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// A window that ends by the number of its requests.
constexpr nanoseconds kUntilDone = hours(1000);

std::optional<load::Pacing> parse_arrivals(std::string_view text) {
  if (text == "constant") return load::Pacing::kConstant;
  if (text == "poisson") return load::Pacing::kPoisson;
  return std::nullopt;
}
constexpr Kind<load::Pacing> kArrivals = {parse_arrivals, "HOW", "constant or poisson"};

constexpr Kind<nanoseconds> kLength = {
    parse_duration, "TIME", "a time such as 300ms, 5s or 1m; what a request carries is --body"};

// A window is no longer than its schedule.
std::string end_with_schedule(nanoseconds schedule, const ArrivalArguments& arguments,
                              load::LoadOptions& options) {
  if (schedule <= options.warmup) return "--warmup is as long as the whole schedule";
  const nanoseconds left = schedule - options.warmup;
  options.duration = arguments.duration->count() > 0 ? std::min(options.duration, left) : left;
  return {};
}

// One that nobody asked for would send more than was asked for, or hide a part of it.
void drop_warmup(const ArrivalArguments& arguments, load::LoadOptions& options) {
  if (arguments.warmup->count() == 0) options.warmup = {};
}

std::string take_rate(const ArrivalArguments& arguments, load::LoadOptions& options) {
  auto segments = load::parse_rates(arguments.rate);
  if (!segments) return "--" + segments.error().message();
  options.rate_text = arguments.rate;
  const auto length = load::length_of(*segments);
  if (segments->size() == 1 && !length) {
    options.rate = segments->front().from;
  } else {
    options.segments = std::move(*segments);
    drop_warmup(arguments, options);
  }
  return length ? end_with_schedule(*length, arguments, options) : "";
}

std::string take_replay(const ArrivalArguments& arguments, load::LoadOptions& options) {
  const auto text = load::read_file(arguments.replay_file, load::kMostDataBytes);
  if (!text) return text.error().message();
  auto schedule = load::Schedule::replay(*text, arguments.replay_file, options.mix, options.seed);
  if (!schedule) return schedule.error().message();
  options.replay = std::move(*schedule);
  options.pacing = load::Pacing::kReplayed;
  drop_warmup(arguments, options);
  nanoseconds last{};
  for (auto left = options.replay->arrivals(); !left.ended(); left.take()) last = left.next().at;
  return end_with_schedule(last + nanoseconds(1), arguments, options);
}

// "127.0.0.2", "127.0.0.2-127.0.0.9".
std::string take_source(const std::string& text, load::LoadOptions& options) {
  const size_t dash = text.find('-');
  const auto first = Address::parse(text.substr(0, dash), 0);
  const auto last = dash == std::string::npos ? first : Address::parse(text.substr(dash + 1), 0);
  if (!first || !last) {
    return "--source: '" + text + "' is no address, and no range such as 127.0.0.2-127.0.0.9";
  }
  options.source = SourceRange(*first, *last);
  return {};
}

}  // namespace

void describe_arrivals(CLI::App& command, load::LoadOptions& options, ArrivalArguments& arguments) {
  command
      .add_option("-R,-q,--rate", arguments.rate,
                  "Requests a second, of all connections together, by a schedule that waits for no "
                  "answer: 10k; in steps and on ramps: 1k:30s,1k..10k:1m,10k")
      ->type_name("RATE");
  add_option(
      command, "--arrivals", options.pacing, kArrivals,
      {load::Pacing::kConstant, load::Pacing::kPoisson}, "",
      "With --rate: the moments are constant apart, or a Poisson process (default constant)");
  command
      .add_option(
          "--replay", arguments.replay_file,
          "Send at the times in this file, in seconds from the start, one a line; behind it "
          "may be the number of its kind in --mix")
      ->type_name("FILE");
  arguments.duration = add_option(command, "-d,-z,--duration", options.duration, kLength,
                                  {milliseconds(1), hours(1000)}, "10s", "How long to measure");
  add_option(command, "-n,--requests", options.requests, kCount, {1, UINT64_MAX}, "",
             "Send so many requests and measure them, no longer than --duration if it is given");
  arguments.warmup =
      add_option(command, "--warmup", options.warmup, kDuration, {nanoseconds(0), hours(1)}, "1s",
                 "Load that comes first and is left out; unless it is given there is none with "
                 "-n, with steps and ramps, and with --replay");
  add_option(command, "--think", options.think, kDuration, {nanoseconds(0), hours(1)}, "0",
             "Without --rate: wait so long between an answer and the next request");
  add_option(command, "--connect-rate", options.connect_rate, kRate, {0.001, 1e9}, "",
             "Make so many connections a second, at first; else all at once");
  command
      .add_option("--source", arguments.source,
                  "Connect from this address, or from a range of them in turn: 127.0.0.2-127.0.0.9")
      ->type_name("ADDRESS");
}

std::string take_arrivals(const ArrivalArguments& arguments, load::LoadOptions& options) {
  const bool has_rate = !arguments.rate.empty();
  if (has_rate && !arguments.replay_file.empty()) {
    return "--rate and --replay: requests have one schedule";
  }
  if (!has_rate && options.pacing != load::Pacing::kClosed) return "--arrivals needs a --rate";
  if (options.requests && arguments.duration->count() == 0) options.duration = kUntilDone;
  if (options.requests) drop_warmup(arguments, options);
  std::string wrong;
  if (has_rate) {
    if (options.pacing == load::Pacing::kClosed) options.pacing = load::Pacing::kConstant;
    wrong = take_rate(arguments, options);
  } else if (!arguments.replay_file.empty()) {
    wrong = take_replay(arguments, options);
  }
  if (wrong.empty() && !arguments.source.empty()) wrong = take_source(arguments.source, options);
  if (!wrong.empty()) return wrong;
  if (is_open_loop(options) && options.think > nanoseconds::zero()) {
    return "--think is for a run without a schedule, which waits for no answer";
  }
  return {};
}

}  // namespace eddy::tools
