#include "load_search.h"

#include <stdio.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "arguments.h"
#include "command.h"
#include "format.h"
#include "load/find_max.h"
#include "load/html_report.h"
#include "load/json_report.h"
#include "load/percentiles.h"
#include "load/random.h"
#include "load/run.h"
#include "load/verdict.h"
#include "standard_streams.h"
#include "termination.h"
#include "threaded_run.h"

namespace eddy::tools {
namespace {

using namespace std::chrono_literals;
using load::RateRun;
using load::SearchResult;
using load::Standing;

// A run may take so long, unless --duration says it.
constexpr std::chrono::nanoseconds kLongestRun = 30s;
constexpr std::chrono::nanoseconds kFirstLook = 1s;
constexpr int64_t kSlicesUntilThen = 80;
// So many requests beyond the percentile should be expected of the longest run.
constexpr double kWantedBeyond = 20;
constexpr double kFirstRate = 1000;

std::optional<double> parse_percentage(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  const auto number = parse_rate(text);
  return number ? std::optional(*number / 100) : std::nullopt;
}
constexpr Kind<double> kPercentage = {parse_percentage, "PERCENT", "a percentage such as 5%"};

// Below it, runs could tell nothing.
double least_rate(const load::LoadOptions& options) {
  const double share = 1 - options.slo->percent / 100;
  const double seconds = std::chrono::duration<double>(options.duration).count();
  return std::max(1.0, std::round(kWantedBeyond / share / seconds));
}

std::string interval_text(const load::QuantileInterval& interval) {
  if (interval.verdict != load::QuantileInterval::Verdict::kKnown) return "-";
  return duration_text(static_cast<double>(interval.lower)) + " to " +
         (interval.open ? "at least " : "") + duration_text(static_cast<double>(interval.upper));
}

void print_heading(const load::LoadOptions& options) {
  printf("%s: %s, runs of up to %s, the highest rate within %s\n\n%12s%12s%30s%8s\n",
         one_line(options.target).c_str(), counted(options.connections, "connection").c_str(),
         duration_text(static_cast<double>(options.duration.count())).c_str(),
         options.slo->text.c_str(), "rate", load::percentile_name(options.slo->percent).c_str(),
         "95 % interval", "s");
}

void print_row(const RateRun& run) {
  const auto value = static_cast<double>(run.interval.value);
  const bool is_told = run.standing == Standing::kWithin || run.standing == Standing::kBeyond;
  printf("%s%s%s%s  %s%s\n",
         right(grouped(static_cast<uint64_t>(std::llround(run.rate))), 12).c_str(),
         right(value > 0 ? duration_text(value) : "-", 12).c_str(),
         right(interval_text(run.interval), 30).c_str(), right(fixed(run.seconds, 1), 8).c_str(),
         std::string(name_of(run.standing)).c_str(),
         is_told || run.verdict.empty() ? "" : (" (" + one_line(run.verdict) + ")").c_str());
  fflush(stdout);
}

// A server that answers nothing at all any more, while wrong answers may be what it has for a rate.
bool is_gone(const load::Verdict& verdict) {
  return verdict.status == load::kNoConnection || verdict.status == load::kNoAnswer ||
         verdict.status == load::kTlsFailed;
}

int status_of(SearchResult::End end) {
  switch (end) {
    case SearchResult::End::kFound:
    case SearchResult::End::kAlwaysWithin: return load::kMeasured;
    case SearchResult::End::kClientLimit: return load::kClientLimited;
    case SearchResult::End::kNotSettled: return load::kUnstableRun;
    case SearchResult::End::kNeverWithin: return load::kCrossed;
    case SearchResult::End::kStopped: break;
  }
  return load::kInterrupted;
}

class RateSearch {
 public:
  explicit RateSearch(const load::LoadOptions& options) : options_(options) {}

  // Nothing if the search cannot go on.
  std::optional<RateRun> run_at(double rate, uint64_t number) {
    load::LoadOptions options = options_;
    options.rate = rate;
    options.seed = load::Random::seed_of(options_.seed, number);
    auto report = measure(options);
    if (!report) {
      failed_ = report.error();
      return std::nullopt;
    }
    load::Verdict verdict = judge(*report, options);
    // Nothing was measured: of the first run, that is what there is to say.
    const bool is_failure = number == 0 && verdict.word.empty();
    const bool is_last = number > 0 && is_gone(verdict);
    if (is_last && !interrupted_) gone_ = verdict;
    if (interrupted_ || is_failure || is_last) {
      if (!best_) best_.emplace(std::move(*report), std::move(options), std::move(verdict), false);
      return std::nullopt;
    }
    RateRun run = judge_rate(rate, *options_.slo, *report, verdict);
    if (!options_.json) print_row(run);
    keep(run, std::move(*report), std::move(options), std::move(verdict));
    // Nobody reads on.
    return ferror(stdout) == 0 ? std::optional(run) : std::nullopt;
  }

  // Of a run that could not be made.
  int failed() const { return failed_; }
  // What the search came to.
  load::Verdict verdict(const load::Search& search) const {
    if (gone_) return {gone_->status, "", gone_->reason};
    if (best_->verdict.word.empty()) return best_->verdict;
    return {status_of(search.result.end), "", summary_of(search)};
  }
  // The run at the highest rate that was within; if none was, the last one.
  std::string json(const load::Search& search) const {
    return load::json_of(best_->report, best_->options, backend_, best_->verdict, &search);
  }

 private:
  // On a reactor of its own, with which everything ends that a run may have left on it.
  std::expected<load::LoadReport, int> measure(const load::LoadOptions& options) {
    auto opened = Reactor::open(options.reactor);
    if (!opened) return std::unexpected(report(opened.error()));
    Reactor& reactor = **opened;
    backend_ = to_string(reactor.backend().kind);
    const auto terminates = on_termination(reactor, [this] { interrupt(); }, [this] { finish(); });
    if (!terminates) return std::unexpected(report(terminates.error()));
    ThreadedRun threaded(reactor, options, nullptr);
    end_when_decided(threaded.run(), *options_.slo);
    current_ = &threaded.run();
    auto measured = threaded.drive();
    current_ = nullptr;
    return measured;
  }

  void interrupt() {
    interrupted_ = true;
    if (current_ != nullptr) current_->interrupt();
  }

  void finish() const {
    if (current_ != nullptr) current_->finish();
  }

  struct Kept {
    load::LoadReport report;
    load::LoadOptions options;
    load::Verdict verdict;
    bool within;
  };

  void keep(const RateRun& run, load::LoadReport report, load::LoadOptions options,
            load::Verdict verdict) {
    const bool within = run.standing == Standing::kWithin;
    if (best_ && best_->within && (!within || best_->options.rate > run.rate)) return;
    best_.emplace(std::move(report), std::move(options), std::move(verdict), within);
  }

  const load::LoadOptions& options_;
  std::string backend_;
  load::LoadRun* current_ = nullptr;  // while it goes on
  bool interrupted_ = false;
  std::optional<Kept> best_;
  std::optional<load::Verdict> gone_;  // the server
  int failed_ = 0;
};

}  // namespace

void add_search_options(CLI::App& command, SearchFlags& flags) {
  command
      .add_flag(
          "--find-max", flags.find_max,
          "Search for the highest rate within --slo, by runs that last until it is clear, up to "
          "-d (30s); -R is where it begins")
      ->disable_flag_override();
  command
      .add_option_function<std::string>(
          "--slo",
          [&flags](const std::string& text) {
            auto objective = load::parse_objective(text);
            if (objective) {
              const auto searchable = check_searchable(*objective);
              if (!searchable) objective = std::unexpected(searchable.error());
            }
            if (!objective) {
              throw CLI::ValidationError("--slo", "'" + text + "': " + objective.error().advice());
            }
            flags.slo = std::move(*objective);
          },
          "With --find-max: the objective, 'p99.9<5ms'")
      ->type_name("EXPR");
  add_option(command, "--max-rate", flags.max_rate, kRate, {1, 1e9}, "1g",
             "With --find-max: no rate above it is run");
  add_option(command, "--precision", flags.precision, kPercentage, {0.001, 1}, "5%",
             "With --find-max: of the rate that is found");
}

std::string check_search(const SearchFlags& flags, load::LoadOptions& options,
                         bool duration_given) {
  if (!flags.find_max) {
    return flags.slo ? "--slo is for --find-max; of one run there is --fail-if" : "";
  }
  if (!flags.slo) return "--find-max needs an objective: --slo 'p99.9<5ms'";
  if (!options.fail_if.empty()) return "--fail-if is for one run, and --find-max makes many";
  if (options.requests || !options.segments.empty() || options.replay) {
    return "--find-max chooses the rates, and how long a run lasts: -n, --ramp, --steps and "
           "--replay are for one run";
  }
  options.slo = flags.slo;
  if (!duration_given) options.duration = kLongestRun;
  options.slice = kFirstLook / kSlicesUntilThen;
  if (options.pacing == load::Pacing::kClosed) options.pacing = load::Pacing::kConstant;
  if (options.rate == 0) options.rate = kFirstRate;
  if (const double least = least_rate(options); least > flags.max_rate) {
    return "--max-rate: a run of " + duration_text(static_cast<double>(options.duration.count())) +
           " (-d) tells " + load::percentile_name(flags.slo->percent) + " from " +
           grouped(static_cast<uint64_t>(std::llround(least))) + " requests a second on";
  }
  return {};
}

int run_search(const load::LoadOptions& options, const SearchFlags& flags, load::Outputs& outputs) {
  RateSearch runs(options);
  if (!options.json) print_heading(options);
  const load::SearchOptions how = {.first = options.rate,
                                   .least = least_rate(options),
                                   .most = flags.max_rate,
                                   .precision = flags.precision};
  const load::Search search = {*options.slo, find_max(how, [&runs](double rate, uint64_t number) {
                                 return runs.run_at(rate, number);
                               })};
  if (runs.failed() != 0) return runs.failed();
  const std::string json = runs.json(search);
  load::Verdict verdict = runs.verdict(search);
  if (options.json) {
    puts(json.c_str());
  } else if (!search.result.runs.empty()) {
    printf("\n%s\n", summary_of(search).c_str());
  }
  judge_written(finish_output(), verdict);
  if (outputs.wants_page()) judge_written(outputs.write_page(load::html_report(json)), verdict);
  if (verdict.status != load::kMeasured) print_error("eddy load", verdict.reason);
  return verdict.status;
}

}  // namespace eddy::tools
