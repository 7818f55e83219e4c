#include "load_pair.h"

#include <eddy/core/reactor.h>
#include <eddy/net/process.h>
#include <stdio.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "command.h"
#include "command_line.h"
#include "format.h"
#include "load/progress.h"
#include "load/random.h"
#include "load/verdict.h"
#include "standard_streams.h"
#include "termination.h"

namespace eddy::tools {
namespace {

// Those of which a comparison has its own, or that would have each run write over the last one's.
constexpr std::array kNotForRuns = {"help", "json",    "seed",     "hlog", "hgrm",     "csv",
                                    "html", "fail-if", "find-max", "slo",  "max-rate", "precision"};

constexpr const char* kName = "eddy load compare";
constexpr std::string_view kOwnName = "eddy load: ";  // before what a run tells

struct Ended {
  int status = kBadUsage;
  std::string output;
  std::string errors;
};

ChildEnd collect(std::string& text) {
  return ChildEnd::pipe({.on_data = [&text](Stream&, Slice bytes) { text += bytes.view(); }});
}

Result<Ended> run_to_end(Reactor& reactor, std::vector<std::string> command) {
  Ended ended;
  auto child = Process::start(reactor, {.command = std::move(command),
                                        .output = collect(ended.output),
                                        .errors = collect(ended.errors),
                                        .on_exit = [&ended](const ExitStatus& exit) {
                                          ended.status =
                                              exit.signal == 0 ? exit.code : load::kInterrupted;
                                        }});
  if (!child) return std::unexpected(child.error());
  if (const int failed = reactor.run(); failed != 0) ended.status = failed;
  return ended;
}

bool has_result(int status) {
  return status == load::kMeasured || status == load::kMeasuredWithTroubles ||
         (status >= load::kClientLimited && status <= load::kTooShortRun);
}

// "--rate" of "--rate=20k".
std::string_view name_of(std::string_view option) { return option.substr(0, option.find('=')); }

// What is behind "eddy" for runs of a set-up.
std::expected<std::vector<std::string>, std::string> arguments_of(const CLI::App& load,
                                                                  const PairOptions& options,
                                                                  const std::string& text) {
  CLI::App parser;
  parser.set_help_flag();
  std::string target;
  parser.add_option("target", target);
  add_run_options(load, parser);
  std::vector<std::string> words = CLI::detail::split_up(text);
  if (const auto wrong = look_over(parser, words)) {
    return std::unexpected("'" + text + "': " + wrong->what);
  }
  try {
    parse(parser, std::move(words));
  } catch (const CLI::ParseError& error) {
    return std::unexpected("'" + text + "': " + error.what());
  }
  std::vector<std::string> arguments = run_options_of(parser);
  const size_t own = arguments.size();
  for (const std::string& option : options.common) {
    const bool is_given =
        std::any_of(arguments.begin(), arguments.begin() + static_cast<ptrdiff_t>(own),
                    [&](const std::string& each) { return name_of(each) == name_of(option); });
    if (!is_given) arguments.push_back(option);
  }
  arguments.insert(arguments.begin(), {"load", target, "--json"});
  return arguments;
}

struct SetUp {
  const char* name;
  std::vector<std::string> arguments;
  std::vector<load::RunFigures> runs{};
};

// Nothing at the end of an interrupted run, which is no run like the others.
std::expected<std::optional<load::RunFigures>, int> run_once(Reactor& reactor, const SetUp& set_up,
                                                             uint64_t seed, const bool& stopped) {
  std::vector<std::string> command = {"/proc/self/exe"};
  command.insert(command.end(), set_up.arguments.begin(), set_up.arguments.end());
  command.push_back("--seed=" + std::to_string(seed));
  const auto ended = run_to_end(reactor, std::move(command));
  if (!ended) return std::unexpected(report(ended.error()));
  if (stopped) return std::nullopt;
  if (!has_result(ended->status)) {
    std::string_view why = std::string_view(ended->errors).substr(0, ended->errors.find('\n'));
    if (why.starts_with(kOwnName)) why.remove_prefix(kOwnName.size());
    print_error(kName, std::string(set_up.name) + ": " + std::string(why));
    return std::unexpected(ended->status);
  }
  auto run =
      load::run_of_json(ended->output, std::string(set_up.name) + ", seed " + std::to_string(seed));
  if (!run) {
    print_error(kName, run.error());
    return std::unexpected(kBadUsage);
  }
  return std::move(*run);
}

}  // namespace

bool is_set_up(std::string_view text) {
  const std::string_view target = text.substr(0, text.find(' '));
  return target.contains("://") || target.starts_with("unix:");
}

void add_run_options(const CLI::App& load, CLI::App& to) {
  for (const CLI::Option* each : load.get_options()) {
    if (each->get_lnames().empty() || each->get_group().empty()) continue;
    if (std::ranges::find(kNotForRuns, each->get_lnames()[0]) != kNotForRuns.end()) continue;
    const std::string names = each->get_name(false, true);
    if (each->get_expected_max() == 0) {
      to.add_flag(names)->group("")->disable_flag_override();
    } else {
      to.add_option(names)
          ->group("")
          ->delimiter(each->get_delimiter())
          ->expected(1, CLI::detail::expected_max_vector_size)
          ->allow_extra_args(false);
    }
  }
}

std::vector<std::string> run_options_of(const CLI::App& command) {
  std::vector<std::string> given;
  for (const CLI::Option* each : command.get_options()) {
    if (each->get_lnames().empty() || !each->get_group().empty()) continue;
    for (const std::string& value : each->results()) {
      std::string& option = given.emplace_back("--").append(each->get_lnames()[0]);
      if (each->get_expected_max() > 0) option.append("=").append(value);
    }
  }
  return given;
}

std::expected<Pair, int> run_pair(const CLI::App& load, const PairOptions& options,
                                  const std::string& a, const std::string& b) {
  std::vector<SetUp> set_ups;
  for (const auto& [name, text] : {std::pair("A", &a), std::pair("B", &b)}) {
    auto arguments = arguments_of(load, options, *text);
    if (!arguments) {
      print_error(kName, arguments.error());
      return std::unexpected(kBadUsage);
    }
    set_ups.push_back({name, std::move(*arguments)});
  }
  auto opened = Reactor::open({});
  if (!opened) return std::unexpected(report(opened.error()));
  Reactor& reactor = **opened;
  bool stopped = false;
  if (const auto watched = on_termination(reactor, [&stopped] { stopped = true; }); !watched) {
    return std::unexpected(report(watched.error()));
  }
  load::Progress progress;
  load::Random order(options.seed);
  for (uint64_t round = 0; round < options.rounds && !stopped; ++round) {
    const size_t first = order.below(2);
    for (const size_t which : {first, 1 - first}) {
      SetUp& set_up = set_ups[which];
      const std::string line =
          "  round " + grouped(round + 1) + " of " + grouped(options.rounds) + ": " + set_up.name;
      const bool is_terminal = progress.columns() > 0;
      if (is_terminal) progress.show(line);
      auto run = run_once(reactor, set_up, options.seed + round, stopped);
      progress.clear();
      if (!run) return std::unexpected(run.error());
      // A line that stays says what has been done; one line alone says what is wrong.
      if (!is_terminal) progress.show(line);
      if (*run) set_up.runs.push_back(std::move(**run));
    }
  }
  return Pair{std::move(set_ups[0].runs), std::move(set_ups[1].runs)};
}

}  // namespace eddy::tools
