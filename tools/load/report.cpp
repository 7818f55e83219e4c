#include "load/report.h"

#include <stdio.h>

#include <vector>

#include "format.h"
#include "load/rank_table.h"
#include "load/script.h"

namespace eddy::load {
namespace {

using tools::counted;
using tools::duration_text;
using tools::fixed;
using tools::grouped;
using tools::right;

constexpr int kHeading = 14;
constexpr size_t kWidth = 10;

void print_cpu(const char* whose, uint64_t cpu_ns, const LoadReport& report,
               const std::string& more) {
  printf("  %-*s%s µs a request, %s %% of a core%s\n", kHeading, whose,
         fixed(us_per_request(cpu_ns, report), 2).c_str(),
         fixed(percent_of_core(cpu_ns, report), 0).c_str(), more.c_str());
}

void print_server_cpu(const LoadReport& report, const LoadOptions& options) {
  if (report.server_cpu_ns > 0) {
    print_cpu("server CPU", report.server_cpu_ns, report, "");
  } else if (!options.server_pids.empty()) {
    printf("  %-*snot known: the processes of --server-pid took none, or have ended\n", kHeading,
           "server CPU");
  }
}

// --- The table of times: a row for each percentile, a column for each thing measured.

std::string percentile_text(const Histogram& times, double percentile) {
  const auto value = known_at(times, percentile);
  return value ? duration_text(static_cast<double>(*value)) : "-";
}

std::string interval_text(const QuantileInterval& interval) {
  if (interval.verdict != QuantileInterval::Verdict::kKnown) return "too short to tell";
  return duration_text(static_cast<double>(interval.lower)) + " to " +
         (interval.open ? "at least " : "") + duration_text(static_cast<double>(interval.upper));
}

void print_row(const std::string& name, const std::vector<std::string>& cells) {
  constexpr size_t kInterval = 30;
  std::string line = right(name, 7);
  for (size_t i = 0; i < cells.size(); ++i)
    line += right(cells[i], i == 1 ? kInterval : kWidth + 2);
  printf("%s\n", line.c_str());
}

void print_times(const LoadReport& report, const LoadOptions& options) {
  const bool is_open = is_open_loop(options);
  const Histogram response = report.record.response();
  std::vector<const Histogram*> others;
  if (is_open) others = {&report.record.service, &report.record.lag};
  const auto print = [&](const std::string& name, const std::string& interval, auto text_of_times) {
    std::vector<std::string> cells = {text_of_times(response), interval};
    for (const Histogram* other : others) cells.push_back(text_of_times(*other));
    print_row(name, cells);
  };
  print_row("", is_open ? std::vector<std::string>{"response", "95 % interval", "service", "lag"}
                        : std::vector<std::string>{"latency", "95 % interval"});
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    const double percentile = kPercentiles[i];
    print(percentile_name(percentile),
          is_known(response, percentile) ? interval_text(report.intervals[i]) : "",
          [&](const Histogram& times) { return percentile_text(times, percentile); });
  }
  print("max", "",
        [](const Histogram& times) { return duration_text(static_cast<double>(times.maximum())); });
  print("mean", "", [](const Histogram& times) { return duration_text(times.mean()); });
  printf("\n");
}

std::string rate_of(const LoadOptions& options) {
  if (options.pacing == Pacing::kReplayed) return "";
  if (!options.segments.empty()) return ", " + options.rate_text + " a second";
  return ", " + grouped(static_cast<uint64_t>(options.rate)) + " a second";
}

// Of several threads.
void print_workers(const LoadReport& report) {
  if (report.workers.size() < 2) return;
  for (const WorkerReport& worker : report.workers) {
    printf("  %-*s%s, %s %% of a core%s\n", kHeading, "  a thread",
           counted(worker.connections, "connection").c_str(),
           fixed(worker.busy_percent(), 0).c_str(),
           worker.lateness.count() == 0
               ? ""
               : (", late by " + percentile_text(worker.lateness, 99) + " at p99").c_str());
  }
}

// Of a mix of several kinds: the response times of each.
void print_kinds(const LoadReport& report, const LoadOptions& options) {
  if (options.kind_names.size() < 2) return;
  std::vector<std::string> heading = {"requests"};
  for (const double percentile : kPercentiles) heading.push_back(percentile_name(percentile));
  const auto print = [](const std::string& name, const std::vector<std::string>& cells) {
    std::string line = right(name, 7);
    for (const std::string& cell : cells) line += right(cell, kWidth + 2);
    printf("%s\n", line.c_str());
  };
  print("", heading);
  for (size_t kind = 0; kind < options.kind_names.size(); ++kind) {
    const Histogram& response = report.record.response_of[kind];
    std::vector<std::string> cells = {grouped(response.count())};
    for (const double percentile : kPercentiles) {
      cells.push_back(percentile_text(response, percentile));
    }
    print(options.kind_names[kind], cells);
  }
  printf("\n");
}

std::string request_text(const LoadOptions& options) {
  if (options.protocol == Protocol::kScript) {
    return "a script of " + counted(options.script->size(), "step");
  }
  if (is_store(options.protocol)) return tools::size_text(options.size) + " a value";
  const bool is_http = options.protocol == Protocol::kHttp;
  return tools::size_text(is_http ? options.http.request.size() : options.size) + " a request";
}

void print_requests(const LoadReport& report) {
  const Requests& requests = report.record.requests;
  printf("  %-*s%s scheduled = %s answered", kHeading, "requests",
         grouped(requests.scheduled).c_str(), grouped(requests.answered).c_str());
  const auto add = [](uint64_t count, const char* what) {
    if (count > 0) printf(" + %s %s", grouped(count).c_str(), what);
  };
  add(requests.wrong, "wrong");
  add(requests.lost, "lost");
  add(requests.abandoned, "abandoned");
  add(requests.timed_out, "timed out");
  add(requests.unanswered, "unanswered");
  add(requests.unsent, "unsent");
  printf("\n");
  if (const uint64_t strays = report.record.strays; strays > 0) {
    printf("  %-*s%s came too late, or twice\n", kHeading, "strays",
           counted(strays, "answer").c_str());
  }
}

// Of HTTP, unless each is 2xx.
void print_statuses(const Record& record) {
  std::string line;
  bool is_plain = true;
  for (size_t digit = 1; digit < kAnswerClasses; ++digit) {
    const uint64_t count = record.classes[digit];
    if (count == 0) continue;
    is_plain = is_plain && digit == 2;
    line += (line.empty() ? "" : ", ") + std::to_string(digit) + "xx " + grouped(count);
  }
  if (!is_plain) printf("  %-*s%s\n", kHeading, "statuses", line.c_str());
}

// Of a store: what costs it next to nothing is not what was meant to be measured.
void print_reads(const Record& record) {
  constexpr double kNearlyAll = 0.99;
  const uint64_t found = record.classes[kKeyFound];
  const uint64_t missed = record.classes[kKeyMissed];
  if (found + missed == 0) return;
  const bool is_empty =
      static_cast<double>(missed) >= kNearlyAll * static_cast<double>(found + missed);
  printf("  %-*s%s found, %s missed%s\n", kHeading, "reads", grouped(found).c_str(),
         grouped(missed).c_str(),
         is_empty ? ": the keys are not there; --fill writes them, as a run of its own" : "");
}

void print_handshakes(const Handshakes& handshakes) {
  const char* heading = "TLS";
  if (!handshakes.agreed.empty()) {
    printf("  %-*s%s, %s resumed; %s to %s\n", kHeading, heading,
           counted(handshakes.times.count(), "handshake").c_str(),
           grouped(handshakes.resumed).c_str(),
           duration_text(static_cast<double>(handshakes.times.minimum())).c_str(),
           duration_text(static_cast<double>(handshakes.times.maximum())).c_str());
  }
  for (const auto& [what, count] : handshakes.agreed) {
    printf("  %-*s%s × %s\n", kHeading, "", grouped(count).c_str(), what.c_str());
  }
}

void print_troubles(const LoadReport& report) {
  const char* heading = "troubles";
  for (const auto& [key, count] : report.troubles) {
    printf("  %-*s%s × %s: %s\n", kHeading, heading, grouped(count).c_str(), text_of(key.first),
           tools::one_line(key.second).c_str());
    heading = "";
  }
}

void print_thresholds(const Verdict& verdict) {
  const char* heading = "fail if";
  for (const Judgement& each : verdict.thresholds) {
    printf("  %-*s%s: %s%s\n", kHeading, heading, each.objective.text.c_str(),
           each.holds ? "FAILS: " : "", each.to_string().c_str());
    heading = "";
  }
}

}  // namespace

QuantileInterval LoadReport::interval_of(double percent) const {
  const auto* const usual = std::ranges::find(kPercentiles, percent);
  if (usual != kPercentiles.end()) {
    return intervals[static_cast<size_t>(usual - kPercentiles.begin())];
  }
  const auto found =
      std::ranges::find(further_intervals, percent, &std::pair<double, QuantileInterval>::first);
  return found == further_intervals.end() ? QuantileInterval() : found->second;
}

double error_share(const Requests& requests) {
  const uint64_t failed = requests.scheduled - requests.answered - requests.abandoned;
  return requests.scheduled == 0
             ? 0
             : static_cast<double>(failed) / static_cast<double>(requests.scheduled);
}

void tell_certainty(LoadReport& report, const Batches& batches, const LoadOptions& options) {
  const Histogram response = report.record.response();
  const auto interval_at = [&](double percent) {
    return quantile_interval(response, batches, percent, report.record.requests.lower_bounds());
  };
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    report.intervals[i] = interval_at(kPercentiles[i]);
  }
  std::vector<Objective> objectives = options.fail_if;
  if (options.slo) objectives.push_back(*options.slo);
  for (const Objective& objective : objectives) {
    const double percent = objective.percent;
    if (objective.figure != Objective::Figure::kPercentile) continue;
    report.further_intervals.emplace_back(percent, interval_at(percent));
  }
  report.stationarity = stationarity(batches);
}

double per_second(uint64_t count, const LoadReport& report) {
  return report.seconds > 0 ? static_cast<double>(count) / report.seconds : 0;
}

double us_per_request(uint64_t cpu_ns, const LoadReport& report) {
  return report.completed == 0
             ? 0
             : static_cast<double>(cpu_ns) / static_cast<double>(report.completed) / 1e3;
}

double percent_of_core(uint64_t cpu_ns, const LoadReport& report) {
  return per_second(cpu_ns, report) / 1e7;
}

const char* name_of(Pacing pacing) {
  switch (pacing) {
    case Pacing::kClosed: return "closed";
    case Pacing::kConstant: return "constant";
    case Pacing::kPoisson: return "poisson";
    case Pacing::kReplayed: return "replayed";
  }
  return "unknown";
}

void print_text(const LoadReport& report, const LoadOptions& options, const std::string& backend,
                const Verdict& verdict) {
  printf("%s: %s, %s, %u in flight on each\n", tools::one_line(options.target).c_str(),
         counted(options.connections, "connection").c_str(), request_text(options).c_str(),
         options.depth);
  if (is_open_loop(options)) {
    printf("%s arrivals%s; ", name_of(options.pacing), rate_of(options).c_str());
  }
  printf("measured for %s s%s\n\n", fixed(report.seconds, 2).c_str(),
         report.interrupted ? ", then interrupted" : "");
  print_times(report, options);
  print_kinds(report, options);
  printf("  %-*s%s\n", kHeading, "requests/s",
         grouped(static_cast<uint64_t>(per_second(report.completed, report))).c_str());
  printf("  %-*s%s MB/s received\n", kHeading, "throughput",
         fixed(per_second(report.bytes_received, report) / 1e6, 2).c_str());
  const bool spins = is_open_loop(options) && options.spin > std::chrono::nanoseconds::zero();
  print_cpu("client CPU", report.client_cpu_ns, report,
            " (" + backend + (spins ? "; it polls before each request, unless --spin 0)" : ")"));
  print_workers(report);
  print_server_cpu(report, options);
  printf("\n");
  print_requests(report);
  if (options.protocol == Protocol::kHttp) print_statuses(report.record);
  if (is_store(options.protocol)) print_reads(report.record);
  print_handshakes(report.record.handshakes);
  const Churned& churned = report.churned;
  if (churned.reset + churned.closed + churned.half_closed > 0) {
    printf("  %-*s%s reset, %s closed, %s half-closed, on purpose; %s connections in all\n",
           kHeading, "churn", grouped(churned.reset).c_str(), grouped(churned.closed).c_str(),
           grouped(churned.half_closed).c_str(), grouped(report.connected).c_str());
  }
  print_troubles(report);
  print_thresholds(verdict);
  if (!report.ranks.empty()) printf("\n%s", rank_table(report.ranks).c_str());
  const bool has_both = !verdict.word.empty() && !verdict.reason.empty();
  printf("\n%s%s%s\n", verdict.word.c_str(), has_both ? ": " : "",
         tools::one_line(verdict.reason).c_str());
}

}  // namespace eddy::load
