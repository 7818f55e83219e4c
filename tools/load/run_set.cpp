#include "load/run_set.h"

#include <glob.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "format.h"
#include "load/hdr_merge.h"
#include "load/text_file.h"

namespace eddy::load {
namespace {

using Json = nlohmann::json;
using std::filesystem::path;

constexpr double kNsPerUs = 1e3;
// What has to be alike for runs to be compared, by its name in the JSON.
constexpr std::array kSettings = {"connections", "depth", "size", "arrivals", "rate"};

std::expected<RunFigures, std::string> read_log(const std::string& name) {
  const auto merged = merge_logs(std::span(&name, 1));
  if (!merged) return std::unexpected(merged.error());
  const auto response = std::ranges::find(merged->histograms, "", &MergedHistogram::tag);
  if (response == merged->histograms.end()) {
    return std::unexpected(name + ": no interval without a tag, which is what response times have");
  }
  RunFigures run{.name = name};
  const Histogram& times = response->histogram;
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    if (!is_known(times, kPercentiles[i])) continue;
    run.response[i] = static_cast<double>(value_at(times, kPercentiles[i]));
  }
  return run;
}

std::vector<std::string> results_in(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code failed;
  for (const auto& each : std::filesystem::directory_iterator(directory, failed)) {
    const path& file = each.path();
    if (file.extension() == ".hlog") found.push_back(file);
    if (file.extension() != ".json") continue;
    if (!std::filesystem::exists(path(file).replace_extension(".hlog"), failed)) {
      found.push_back(file);
    }
  }
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> matches_of(const std::string& pattern) {
  glob_t matches = {};
  std::vector<std::string> found;
  if (glob(pattern.c_str(), 0, nullptr, &matches) == 0) {
    found.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  }
  globfree(&matches);
  return found;
}

using FigureOf = std::optional<double> (*)(const RunFigures& run, size_t index);

std::vector<double> figures_of(std::span<const RunFigures> runs, FigureOf figure_of, size_t index) {
  std::vector<double> figures;
  for (const RunFigures& run : runs) {
    // Logarithms are taken of them; a time of nothing is below what can be told.
    if (const auto figure = figure_of(run, index)) figures.push_back(std::max(*figure, 1.0));
  }
  return figures;
}

double geometric_mean(std::span<const double> figures) {
  double sum = 0;
  for (const double figure : figures) sum += std::log(figure);
  return figures.empty() ? 0 : std::exp(sum / static_cast<double>(figures.size()));
}

FigureComparison compare_figure(std::string name, std::span<const RunFigures> a,
                                std::span<const RunFigures> b, FigureOf figure_of, size_t index,
                                uint64_t seed) {
  const std::vector<double> of_a = figures_of(a, figure_of, index);
  const std::vector<double> of_b = figures_of(b, figure_of, index);
  FigureComparison result{.figure = std::move(name),
                          .a = geometric_mean(of_a),
                          .b = geometric_mean(of_b),
                          .known_a = of_a.size(),
                          .known_b = of_b.size()};
  result.is_compared = of_a.size() == a.size() && of_b.size() == b.size();
  if (result.is_compared) result.comparison = compare(of_a, of_b, seed);
  return result;
}

void remark_on_settings(std::span<const RunFigures> a, std::span<const RunFigures> b,
                        std::vector<std::string>& remarks) {
  std::map<std::string, std::vector<std::string>> seen;
  for (const auto runs : {a, b}) {
    for (const RunFigures& run : runs) {
      for (const auto& [name, value] : run.settings) {
        std::vector<std::string>& values = seen[name];
        if (std::ranges::find(values, value) == values.end()) values.push_back(value);
      }
    }
  }
  for (const auto& [name, values] : seen) {
    if (values.size() < 2) continue;
    std::string line = "runs differ in their " + name + ": " + values[0];
    for (size_t i = 1; i < values.size(); ++i) line += " and " + values[i];
    remarks.push_back(line);
  }
}

void remark_on_verdicts(const char* which, std::span<const RunFigures> runs,
                        std::vector<std::string>& remarks) {
  std::map<std::string, size_t> counts;
  for (const RunFigures& run : runs) {
    if (!run.verdict.empty() && run.verdict != "VALID") ++counts[run.verdict];
  }
  for (const auto& [verdict, count] : counts) {
    remarks.push_back(std::to_string(count) + " of " + which + "'s " +
                      tools::counted(runs.size(), "run") + (count == 1 ? " was " : " were ") +
                      verdict);
  }
}

}  // namespace

std::expected<RunFigures, std::string> run_of_json(std::string_view text, const std::string& name) {
  const Json object = Json::parse(text, nullptr, false);
  const auto is_number = [](const Json& value) { return value.is_number(); };
  if (!object.is_object() || !object.contains("latency_us") || !object["latency_us"].is_object()) {
    return std::unexpected(name + ": not a result of eddy load --json");
  }
  RunFigures run{.name = name};
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    const Json value = object["latency_us"].value(percentile_name(kPercentiles[i]), Json());
    if (is_number(value)) run.response[i] = value.get<double>() * kNsPerUs;
  }
  const Json rate = object.value("requests_per_second", Json());
  if (is_number(rate)) run.rate = rate.get<double>();
  const Json verdict = object.value("verdict", Json());
  if (verdict.is_string()) run.verdict = verdict.get<std::string>();
  for (const char* setting : kSettings) {
    if (object.contains(setting)) run.settings.emplace_back(setting, object[setting].dump());
  }
  return run;
}

std::expected<RunFigures, std::string> read_run(const std::string& name) {
  if (path(name).extension() == ".hlog") return read_log(name);
  const auto text = read_file(name, kMostDataBytes);
  if (!text) return std::unexpected(text.error().message());
  return run_of_json(*text, name);
}

std::expected<std::vector<std::string>, std::string> result_files(const std::string& argument) {
  std::error_code failed;
  if (std::filesystem::is_directory(argument, failed)) {
    auto found = results_in(argument);
    if (found.empty()) return std::unexpected(argument + ": no .hlog and no .json in it");
    return found;
  }
  if (std::filesystem::exists(argument, failed)) return std::vector{argument};
  if (argument.find_first_of("*?[") == std::string::npos) {
    return std::unexpected(argument + ": there is no such file or directory");
  }
  auto found = matches_of(argument);
  if (found.empty()) return std::unexpected(argument + ": matches no file");
  return found;
}

SetComparison compare_sets(std::span<const RunFigures> a, std::span<const RunFigures> b,
                           uint64_t seed) {
  SetComparison result;
  const FigureOf response = [](const RunFigures& run, size_t index) { return run.response[index]; };
  const FigureOf rate = [](const RunFigures& run, size_t) { return run.rate; };
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    result.figures.push_back(
        compare_figure(percentile_name(kPercentiles[i]), a, b, response, i, seed));
  }
  result.figures.push_back(compare_figure(std::string(kRateFigure), a, b, rate, 0, seed));
  std::erase_if(result.figures, [](const FigureComparison& each) {
    return each.known_a == 0 && each.known_b == 0;
  });
  result.too_few_runs = !can_differ(a.size(), b.size());
  result.is_compared = std::ranges::any_of(result.figures, &FigureComparison::is_compared);
  remark_on_settings(a, b, result.remarks);
  remark_on_verdicts("A", a, result.remarks);
  remark_on_verdicts("B", b, result.remarks);
  return result;
}

std::string verdict_text(const FigureComparison& figure) {
  if (!figure.is_compared) return "not compared: too short for it";
  const bool is_rate = figure.figure == kRateFigure;
  switch (figure.comparison.verdict) {
    case Comparison::Verdict::kNoDifference: return "no difference shown";
    case Comparison::Verdict::kFaster: return is_rate ? "B's rate is lower" : "B is faster";
    case Comparison::Verdict::kSlower: return is_rate ? "B's rate is higher" : "B is slower";
    case Comparison::Verdict::kTooFewRuns: break;
  }
  return "too few runs";
}

}  // namespace eddy::load
