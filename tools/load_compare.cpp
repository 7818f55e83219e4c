// eddy load compare: whether one of two set-ups is slower than the other, from repeated runs.
#include <stdio.h>

#include <algorithm>
#include <cmath>
#include <expected>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "arguments.h"
#include "command.h"
#include "format.h"
#include "load/run_set.h"
#include "load/verdict.h"
#include "load_pair.h"
#include "standard_streams.h"

namespace eddy::tools {
namespace {

using load::Comparison;
using load::FigureComparison;
using load::RunFigures;
using load::SetComparison;

constexpr const char* kAgainst = "vs";

struct Options {
  std::vector<std::string> sets;
  PairOptions pair;
  bool json = false;
  const CLI::App* load = nullptr;     // the command above
  const CLI::App* command = nullptr;  // this one
};

int refuse(const std::string& what) {
  print_error("eddy load compare", what);
  return kBadUsage;
}

// A's arguments and B's: two, or two lists with a word between them.
struct Sides {
  std::vector<std::string> a;
  std::vector<std::string> b;
};
std::optional<Sides> sides_of(const std::vector<std::string>& sets) {
  const auto word = std::ranges::find(sets, kAgainst);
  Sides sides;
  if (word != sets.end()) {
    sides = {{sets.begin(), word}, {word + 1, sets.end()}};
  } else if (sets.size() == 2) {
    sides = {{sets[0]}, {sets[1]}};
  }
  if (sides.a.empty() || sides.b.empty()) return std::nullopt;
  return sides;
}

std::expected<std::vector<RunFigures>, std::string> read_set(
    const std::vector<std::string>& arguments) {
  std::vector<RunFigures> runs;
  std::vector<std::string> seen;
  for (const std::string& argument : arguments) {
    const auto files = load::result_files(argument);
    if (!files) return std::unexpected(files.error());
    for (const std::string& file : *files) {
      // It would count as several runs that agree.
      if (std::ranges::find(seen, file) != seen.end()) {
        return std::unexpected(file + ": it is there twice");
      }
      seen.push_back(file);
      auto run = load::read_run(file);
      if (!run) return std::unexpected(run.error());
      runs.push_back(std::move(*run));
    }
  }
  return runs;
}

// --- What is told

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string value_text(const FigureComparison& figure, double value, size_t known) {
  if (known == 0) return "-";
  return figure.figure == load::kRateFigure ? grouped(static_cast<uint64_t>(value))
                                            : duration_text(value);
}

std::string change_text(double ratio) {
  return (ratio < 1 ? "-" : "+") + fixed(std::abs(ratio - 1) * 100, 1) + " %";
}

std::string row_of(const FigureComparison& figure) {
  constexpr size_t kWidth = 12;
  std::string line = right(figure.figure, kWidth) +
                     right(value_text(figure, figure.a, figure.known_a), kWidth) +
                     right(value_text(figure, figure.b, figure.known_b), kWidth);
  const Comparison& found = figure.comparison;
  const bool has_interval = figure.is_compared && found.verdict != Comparison::Verdict::kTooFewRuns;
  line += right(figure.is_compared ? change_text(found.ratio) : "-", kWidth);
  line += right(has_interval ? change_text(found.lower) + " to " + change_text(found.upper) : "-",
                2 * kWidth);
  line += right(figure.is_compared ? fixed(found.p_value, 4) : "-", kWidth - 2);
  return line + "   " + verdict_text(figure);
}

// "B is slower at p99 and p99.9", as a sentence of all figures that differ.
std::string summary_of(const SetComparison& found) {
  std::vector<std::string> parts;
  std::vector<std::string> verdicts;
  for (const FigureComparison& figure : found.figures) {
    const std::string verdict = verdict_text(figure);
    if (!figure.is_compared || found.too_few_runs || verdict == "no difference shown") continue;
    const auto place = std::ranges::find(verdicts, verdict);
    if (place == verdicts.end()) {
      const bool is_rate = figure.figure == load::kRateFigure;
      verdicts.push_back(verdict);
      parts.push_back(is_rate ? verdict : verdict + " at " + figure.figure);
    } else {
      parts[static_cast<size_t>(place - verdicts.begin())] += ", " + figure.figure;
    }
  }
  if (found.too_few_runs) {
    return "TOO FEW RUNS: to show any difference it takes 4 of each, or 3 and 5";
  }
  if (!found.is_compared) return "TOO SHORT: there is no figure that all runs tell";
  if (parts.empty()) return "NO DIFFERENCE SHOWN";
  std::string text = "DIFFERENT: " + parts[0];
  for (size_t i = 1; i < parts.size(); ++i) text += "; " + parts[i];
  return text;
}

void print_text(const Sides& sides, const Pair& sets, const SetComparison& found) {
  printf("A  %s: %s\n", one_line(joined(sides.a)).c_str(), counted(sets.a.size(), "run").c_str());
  printf("B  %s: %s\n\n", one_line(joined(sides.b)).c_str(), counted(sets.b.size(), "run").c_str());
  printf("%12s%12s%12s%12s%24s%10s\n", "", "A", "B", "change", "95 % interval", "p-value");
  for (const FigureComparison& figure : found.figures) printf("%s\n", row_of(figure).c_str());
  printf("\n");
  for (const std::string& remark : found.remarks) printf("note: %s\n", one_line(remark).c_str());
  printf("%s\n", summary_of(found).c_str());
}

using Json = nlohmann::ordered_json;

const char* name_of(const FigureComparison& figure) {
  if (!figure.is_compared) return "not_compared";
  switch (figure.comparison.verdict) {
    case Comparison::Verdict::kNoDifference: return "no_difference_shown";
    case Comparison::Verdict::kFaster: return "lower";
    case Comparison::Verdict::kSlower: return "higher";
    case Comparison::Verdict::kTooFewRuns: break;
  }
  return "too_few_runs";
}

Json json_of(const std::vector<RunFigures>& runs) {
  Json array = Json::array();
  for (const RunFigures& run : runs) {
    Json object = {{"name", run.name}};
    for (size_t i = 0; i < load::kPercentiles.size(); ++i) {
      const auto& value = run.response[i];
      object[load::percentile_name(load::kPercentiles[i]) + "_us"] =
          value ? Json(*value / 1e3) : Json();
    }
    object["requests_per_second"] = run.rate ? Json(*run.rate) : Json();
    object["verdict"] = run.verdict;
    array.push_back(std::move(object));
  }
  return array;
}

void print_json(const Pair& sets, const SetComparison& found) {
  Json object = {{"a", json_of(sets.a)}, {"b", json_of(sets.b)}, {"comparisons", Json::array()}};
  for (const FigureComparison& figure : found.figures) {
    const Comparison& comparison = figure.comparison;
    const bool has_interval =
        figure.is_compared && comparison.verdict != Comparison::Verdict::kTooFewRuns;
    object["comparisons"].push_back(
        {{"figure", figure.figure},
         {"ratio", figure.is_compared ? Json(comparison.ratio) : Json()},
         {"interval", has_interval ? Json({comparison.lower, comparison.upper}) : Json()},
         {"p_value", figure.is_compared ? Json(comparison.p_value) : Json()},
         {"verdict", name_of(figure)}});
  }
  object["remarks"] = found.remarks;
  object["summary"] = summary_of(found);
  puts(object.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

std::expected<Pair, int> sets_of(const Options& options, const Sides& sides) {
  if (is_set_up(sides.a.front()) || is_set_up(sides.b.front())) {
    if (sides.a.size() != 1 || sides.b.size() != 1) {
      return std::unexpected(refuse("a target's options are in one argument with it, in quotes"));
    }
    if (!is_set_up(sides.a.front()) || !is_set_up(sides.b.front())) {
      return std::unexpected(refuse("two targets are loaded, or two sets of files read"));
    }
    PairOptions pair = options.pair;
    pair.common = run_options_of(*options.command);
    return run_pair(*options.load, pair, sides.a.front(), sides.b.front());
  }
  if (!run_options_of(*options.command).empty()) {
    return std::unexpected(refuse("options of runs are for targets, not for files"));
  }
  auto a = read_set(sides.a);
  if (!a) return std::unexpected(refuse(a.error()));
  auto b = read_set(sides.b);
  if (!b) return std::unexpected(refuse(b.error()));
  return Pair{std::move(*a), std::move(*b)};
}

int run_compare(const Options& options) {
  const auto sides = sides_of(options.sets);
  if (!sides) return refuse("which two sets? A B, or lists of files with 'vs' between them");
  const auto sets = sets_of(options, *sides);
  if (!sets) return sets.error();
  if (sets->a.empty() || sets->b.empty()) {
    fprintf(stderr, "eddy load compare: interrupted before there was a run of each\n");
    return load::kInterrupted;
  }
  const SetComparison found = load::compare_sets(sets->a, sets->b, options.pair.seed);
  if (options.json) {
    print_json(*sets, found);
  } else {
    print_text(*sides, *sets, found);
  }
  if (const auto written = finish_output(); !written) {
    print_error("eddy load compare", written.error().message());
    return load::kNotWritten;
  }
  return found.is_compared && !found.too_few_runs ? 0 : load::kTooShortRun;
}

}  // namespace

Command make_load_compare(CLI::App& load) {
  auto options = std::make_shared<Options>();
  CLI::App* command = load.add_subcommand(
      "compare", "Tell whether one of two set-ups is slower, from repeated runs");
  options->load = &load;
  options->command = command;
  command
      ->add_option(
          "sets", options->sets,
          "A and B, or lists with 'vs' between them. Each is a directory, a pattern or files of "
          "results (.hlog, or .json from --json); or a target to load, with its options, "
          "in quotes")
      ->type_name("A B")
      ->required();
  add_option(*command, "--runs", options->pair.rounds, kCount, {1, 1000}, "10",
             "Of targets: so many runs of each, in an order that is drawn for each round");
  add_option(
      *command, "--seed", options->pair.seed, kCount, {0, UINT32_MAX}, "1",
      "What the order is drawn from, and the first round's seed; each round has the next one");
  command->add_flag("--json", options->json, "One JSON object on stdout; latencies in µs")
      ->disable_flag_override();
  add_run_options(load, *command);
  command->footer(
      "Of targets, any option of eddy load holds for both: -c, -R, -d and so on. An option in "
      "quotes, behind a target, holds for that one.\n\n"
      "The runs are the sample: runs differ by more than their requests can tell. Each percentile "
      "is "
      "compared by a permutation test on the runs' own percentiles; the change is that of B "
      "against A, with its 95 % interval. That no difference is shown does not mean that there is "
      "none: the interval says how great it may be.\n\n"
      "Exit status: 0 compared; 2 bad arguments; 8 too few runs to show any difference, or too "
      "short "
      "ones; 9 standard output could not be written; else that of a run that failed.\n\n"
      "Examples:\n"
      "  eddy load compare before/ after/\n"
      "  eddy load compare a/*.hlog vs b/*.hlog\n"
      "  eddy load compare --runs 8 tcp://127.0.0.1:7000 tcp://127.0.0.1:7001 -R 20k -d 5s\n"
      "  eddy load compare 'http://localhost/ -c 16' 'http://localhost/ -c 64' -R 5k --arrivals "
      "poisson");
  return {command, [options] { return run_compare(*options); }};
}

}  // namespace eddy::tools
