// Results of repeated runs, read back, and one set of them against another.
//
// What it is: a run is a file that `eddy load` left, a log (.hlog) or what --json printed. Its
// figures are its percentiles, and its rate where the file tells it. Sets are compared figure by
// figure (load/comparison.h), each on the runs' own figures: never on percentiles of a sum of runs,
// which hides how much runs differ.
//
// Threads: any.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load/comparison.h"
#include "load/percentiles.h"

namespace eddy::load {

struct RunFigures {
  std::string name;                                                   // of its file
  std::array<std::optional<double>, kPercentiles.size()> response{};  // nanoseconds
  std::optional<double> rate{};                                       // answers a second
  std::string verdict{};  // "VALID"; empty where the file tells none
  std::vector<std::pair<std::string, std::string>> settings{};  // "connections", "64"
};

// Errors are one line, with the file's name.
std::expected<RunFigures, std::string> read_run(const std::string& name);
std::expected<RunFigures, std::string> run_of_json(std::string_view text, const std::string& name);

// The results that are meant by a directory (all .hlog and .json in it; of a run that left both,
// the log), a pattern with *, ? or [, or a file. Not empty.
std::expected<std::vector<std::string>, std::string> result_files(const std::string& argument);

inline constexpr std::string_view kRateFigure = "requests/s";

struct FigureComparison {
  std::string figure;  // "p99", or kRateFigure
  double a = 0;        // the runs' geometric means; nanoseconds, or a second
  double b = 0;
  size_t known_a = 0;  // runs that tell the figure; unless all do, nothing is compared
  size_t known_b = 0;
  bool is_compared = false;
  Comparison comparison{};
};

struct SetComparison {
  std::vector<FigureComparison> figures;
  // What may make the comparison worth less, a line each.
  std::vector<std::string> remarks;
  bool too_few_runs = false;  // to show any difference
  bool is_compared = false;   // at least one of the figures
};

SetComparison compare_sets(std::span<const RunFigures> a, std::span<const RunFigures> b,
                           uint64_t seed);

// "no difference shown", "B is slower": of times; of a rate, whether it is higher.
std::string verdict_text(const FigureComparison& figure);

}  // namespace eddy::load
