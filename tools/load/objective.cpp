#include "load/objective.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "format.h"
#include "load/percentiles.h"
#include "load/report.h"
#include "quantity.h"

namespace eddy::load {
namespace {

using Figure = Objective::Figure;
using Relation = Objective::Relation;

std::unexpected<Error> refused(std::string_view text, std::string why) {
  return std::unexpected(Error(std::make_error_code(std::errc::invalid_argument), "objective",
                               std::string(text), std::move(why)));
}

std::optional<Figure> figure_of(std::string_view name, double& percent) {
  constexpr std::array kNames = {
      std::pair("mean", Figure::kMean), std::pair("max", Figure::kMaximum),
      std::pair("errors", Figure::kErrors), std::pair("rate", Figure::kRate)};
  for (const auto& [known, figure] : kNames) {
    if (name == known) return figure;
  }
  if (!name.starts_with('p')) return std::nullopt;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + 1, end, percent, std::chars_format::fixed);
  const bool is_one = read.ec == std::errc{} && read.ptr == end && percent > 0 && percent < 100;
  return is_one ? std::optional(Figure::kPercentile) : std::nullopt;
}

// 0.1 %, or a fraction.
std::optional<double> fraction_of(std::string_view text) {
  const bool is_percentage = text.ends_with('%');
  if (is_percentage) text.remove_suffix(1);
  double number = 0;
  const auto read = std::from_chars(text.begin(), text.end(), number, std::chars_format::fixed);
  if (read.ec != std::errc{} || read.ptr != text.end() || number < 0) return std::nullopt;
  if (is_percentage) number /= 100;
  return number <= 1 ? std::optional(number) : std::nullopt;
}

Result<double> limit_of(Figure figure, std::string_view text, std::string_view whole) {
  if (figure == Figure::kErrors) {
    if (const auto fraction = fraction_of(text)) return *fraction;
    return refused(whole, "errors are compared with a share of the requests, such as 0.1%");
  }
  if (figure == Figure::kRate) {
    if (const auto rate = tools::parse_rate(text); rate && *rate <= 1e9) return *rate;
    return refused(whole, "a rate is compared with one such as 100 or 10k");
  }
  // A bare number is not taken for seconds: people mean milliseconds as often.
  const bool has_unit = !text.empty() && (text.back() < '0' || text.back() > '9');
  const auto time = has_unit ? tools::parse_duration(text) : std::nullopt;
  if (time) return static_cast<double>(time->count());
  return refused(whole, "a time is compared with one such as 300us, 5ms or 1s");
}

std::string text_of(const Objective& objective, double figure) {
  if (objective.is_time()) return tools::duration_text(figure);
  if (objective.figure == Figure::kRate) {
    return tools::grouped(static_cast<uint64_t>(std::llround(figure))) + " a second";
  }
  char text[32];
  return {text, static_cast<size_t>(snprintf(text, sizeof text, "%.3g %%", figure * 100))};
}

std::string name_of(const Objective& objective) {
  switch (objective.figure) {
    case Figure::kPercentile: return percentile_name(objective.percent);
    case Figure::kMean: return "the mean";
    case Figure::kMaximum: return "the maximum";
    case Figure::kErrors: return "the share of errors";
    case Figure::kRate: break;
  }
  return "the rate";
}

std::string distance_text(double figure, double limit) {
  constexpr double kMostAsPercent = 10;  // times the limit
  std::string side = figure < limit ? "below " : "above ";
  if (figure == limit) return "exactly ";
  if (limit == 0 || figure == 0) return side;
  if (figure > kMostAsPercent * limit) return tools::fixed(figure / limit, 0) + " times ";
  const std::string percent = tools::fixed(std::abs(figure / limit - 1) * 100, 0);
  return (percent == "0" ? "just " : percent + " % ") + side;
}

void judge_percentile(Judgement& judgement, const LoadReport& report) {
  const Objective& objective = judgement.objective;
  const Histogram response = report.record.response();
  judgement.sure = false;
  judgement.known = is_known(response, objective.percent);
  judgement.figure = static_cast<double>(value_at(response, objective.percent));
  const QuantileInterval interval = report.interval_of(objective.percent);
  if (interval.verdict != QuantileInterval::Verdict::kKnown) return;
  judgement.interval = interval;
  const bool lower = objective.holds_at(static_cast<double>(interval.lower));
  const bool upper = interval.open ? objective.relation >= Relation::kAbove
                                   : objective.holds_at(static_cast<double>(interval.upper));
  judgement.sure = lower == upper;
}

}  // namespace

bool Objective::holds_at(double found) const {
  switch (relation) {
    case Relation::kBelow: return found < limit;
    case Relation::kAtMost: return found <= limit;
    case Relation::kAbove: return found > limit;
    case Relation::kAtLeast: break;
  }
  return found >= limit;
}

Result<Objective> parse_objective(std::string_view text) {
  Objective objective{.text = std::string(text)};
  std::string compact(text);
  std::erase(compact, ' ');
  const size_t sign = compact.find_first_of("<>");
  if (sign == std::string::npos) {
    return refused(text, "it is written p99.9<5ms, with one of < <= > >=");
  }
  const auto figure = figure_of(std::string_view(compact).substr(0, sign), objective.percent);
  if (!figure) {
    return refused(text,
                   "it begins with a percentile such as p99.9, with mean, max, errors or rate");
  }
  objective.figure = *figure;
  const bool is_below = compact[sign] == '<';
  const bool with_limit = compact.substr(sign + 1).starts_with('=');
  objective.relation = is_below ? (with_limit ? Relation::kAtMost : Relation::kBelow)
                                : (with_limit ? Relation::kAtLeast : Relation::kAbove);
  const auto limit =
      limit_of(*figure, std::string_view(compact).substr(sign + 1 + with_limit), text);
  if (!limit) return std::unexpected(limit.error());
  objective.limit = *limit;
  return objective;
}

Judgement judge_objective(const Objective& objective, const LoadReport& report) {
  Judgement judgement{.objective = objective, .known = true, .sure = true};
  const Requests& requests = report.record.requests;
  switch (objective.figure) {
    case Figure::kPercentile: judge_percentile(judgement, report); break;
    case Figure::kMean: judgement.figure = report.record.response().mean(); break;
    case Figure::kMaximum:
      judgement.figure = static_cast<double>(report.record.response().maximum());
      break;
    case Figure::kErrors: judgement.figure = error_share(requests); break;
    case Figure::kRate: judgement.figure = per_second(report.completed, report); break;
  }
  judgement.holds = judgement.known && objective.holds_at(judgement.figure);
  return judgement;
}

std::string Judgement::to_string() const {
  if (!known) return name_of(objective) + " is not known: fewer than 10 samples lie beyond it";
  std::string text = name_of(objective) + " was " + text_of(objective, figure);
  if (interval) {
    text += " (95 % interval " + tools::duration_text(static_cast<double>(interval->lower)) +
            " to " + (interval->open ? "at least " : "") +
            tools::duration_text(static_cast<double>(interval->upper)) + ")";
  }
  return text + ", " + distance_text(figure, objective.limit) + text_of(objective, objective.limit);
}

}  // namespace eddy::load
