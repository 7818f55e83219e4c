#include "load_report.h"

#include <stdio.h>

#include <nlohmann/json.hpp>

#include "format.h"

namespace eddy::tools {
namespace {

const char* name_of(Trouble trouble) {
  switch (trouble) {
    case Trouble::kConnect: return "connect";
    case Trouble::kLost: return "lost";
    case Trouble::kTimedOut: return "timed_out";
    case Trouble::kWrong: return "wrong";
  }
  return "unknown";
}

const char* text_of(Trouble trouble) {
  switch (trouble) {
    case Trouble::kConnect: return "not connected";
    case Trouble::kLost: return "lost";
    case Trouble::kTimedOut: return "timed out";
    case Trouble::kWrong: return "wrong answer";
  }
  return "unknown";
}

// The most frequent one of a kind.
std::string main_cause(const Troubles& troubles, Trouble trouble) {
  std::string cause;
  uint64_t most = 0;
  for (const auto& [key, count] : troubles) {
    if (key.first == trouble && count > most) {
      most = count;
      cause = key.second;
    }
  }
  return cause;
}

double per_second(uint64_t count, const LoadReport& report) {
  return report.seconds > 0 ? static_cast<double>(count) / report.seconds : 0;
}

double us_per_request(uint64_t cpu_ns, const LoadReport& report) {
  return report.window_answered == 0
             ? 0
             : static_cast<double>(cpu_ns) / static_cast<double>(report.window_answered) / 1e3;
}

double percent_of_core(uint64_t cpu_ns, const LoadReport& report) {
  return per_second(cpu_ns, report) / 1e7;
}

std::string percentile_name(double percentile) {
  return "p" + fixed(percentile, percentile == static_cast<int>(percentile) ? 0 : 1);
}

void print_cpu(const char* whose, uint64_t cpu_ns, const LoadReport& report,
               const std::string& more) {
  printf("  %-14s%s µs a request, %s %% of a core%s\n", whose,
         fixed(us_per_request(cpu_ns, report), 2).c_str(),
         fixed(percent_of_core(cpu_ns, report), 0).c_str(), more.c_str());
}

void print_latency(const LoadReport& report) {
  constexpr size_t kWidth = 10;
  std::string names;
  std::string values;
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    names += right(percentile_name(kPercentiles[i]), kWidth);
    values += right(duration_text(static_cast<double>(report.percentiles_ns[i])), kWidth);
  }
  names += right("max", kWidth) + right("mean", kWidth);
  values += right(duration_text(static_cast<double>(report.max_ns)), kWidth) +
            right(duration_text(report.mean_ns), kWidth);
  printf("  %-14s%s\n  %-14s%s\n", "latency", names.c_str() + 1, "", values.c_str() + 1);
}

void print_requests(const LoadReport& report) {
  const Requests& requests = report.requests;
  printf("  %-14s%s sent = %s answered", "requests", grouped(requests.sent).c_str(),
         grouped(requests.answered).c_str());
  if (requests.lost > 0) printf(" + %s lost", grouped(requests.lost).c_str());
  if (requests.abandoned > 0) printf(" + %s abandoned", grouped(requests.abandoned).c_str());
  printf(" + %s unanswered\n", grouped(requests.unanswered).c_str());
}

}  // namespace

uint64_t count_of(const Troubles& troubles, Trouble trouble) {
  uint64_t total = 0;
  for (const auto& [key, count] : troubles) total += key.first == trouble ? count : 0;
  return total;
}

Verdict judge(const LoadReport& report, const LoadOptions& options) {
  const Troubles& troubles = report.troubles;
  const auto is = [&](Trouble trouble) { return count_of(troubles, trouble) > 0; };
  if (is(Trouble::kWrong)) {
    return {kWrongAnswer, main_cause(troubles, Trouble::kWrong) + ", on " +
                              counted(count_of(troubles, Trouble::kWrong), "connection")};
  }
  if (report.connected == 0 && is(Trouble::kConnect)) {
    return {kNoConnection, "no connection to " + options.address.to_string() + ": " +
                               main_cause(troubles, Trouble::kConnect)};
  }
  if (report.interrupted && report.seconds == 0) {
    return {kInterrupted, "interrupted before anything was measured"};
  }
  if (report.requests.answered == 0) {
    return {kNoAnswer,
            "nothing was answered: " + (is(Trouble::kLost) ? main_cause(troubles, Trouble::kLost)
                                                           : "the server sent nothing")};
  }
  uint64_t all = 0;
  for (const auto& [key, count] : troubles) all += count;
  if (all > 0) {
    return {kMeasuredWithTroubles, "connections met trouble: " + counted(all, "time")};
  }
  if (report.requests.unanswered > 0) {
    return {kMeasuredWithTroubles,
            counted(report.requests.unanswered, "request") + " not answered at the end"};
  }
  return {};
}

void print_text(const LoadReport& report, const LoadOptions& options, const std::string& backend) {
  printf("%s: %s, %s a request, %u in flight on each\n", options.target.c_str(),
         counted(options.connections, "connection").c_str(), size_text(options.size).c_str(),
         options.depth);
  printf("measured for %s s%s\n\n", fixed(report.seconds, 2).c_str(),
         report.interrupted ? ", then interrupted" : "");
  printf("  %-14s%s\n", "requests/s",
         grouped(static_cast<uint64_t>(per_second(report.window_answered, report))).c_str());
  printf("  %-14s%s MB/s each way\n", "throughput",
         fixed(per_second(report.window_bytes, report) / 1e6, 2).c_str());
  print_latency(report);
  print_cpu("client CPU", report.client_cpu_ns, report, " (" + backend + ")");
  if (report.server_cpu_ns > 0) print_cpu("server CPU", report.server_cpu_ns, report, "");
  printf("\n");
  print_requests(report);
  const Churned& churned = report.churned;
  if (churned.reset + churned.closed + churned.half_closed > 0) {
    printf("  %-14s%s reset, %s closed, %s half-closed, on purpose; %s connections in all\n",
           "churn", grouped(churned.reset).c_str(), grouped(churned.closed).c_str(),
           grouped(churned.half_closed).c_str(), grouped(report.connected).c_str());
  }
  const char* heading = "troubles";
  for (const auto& [key, count] : report.troubles) {
    printf("  %-14s%s × %s: %s\n", heading, grouped(count).c_str(), text_of(key.first),
           key.second.c_str());
    heading = "";
  }
}

void print_json(const LoadReport& report, const LoadOptions& options, const std::string& backend,
                const Verdict& verdict) {
  using Json = nlohmann::ordered_json;
  Json latency = {{"samples", report.samples}, {"mean", report.mean_ns / 1e3}};
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    latency[percentile_name(kPercentiles[i])] = static_cast<double>(report.percentiles_ns[i]) / 1e3;
  }
  latency["max"] = static_cast<double>(report.max_ns) / 1e3;
  Json troubles = Json::array();
  for (const auto& [key, count] : report.troubles) {
    troubles.push_back({{"kind", name_of(key.first)}, {"cause", key.second}, {"count", count}});
  }
  Json object = {
      {"target", options.target},
      {"backend", backend},
      {"connections", options.connections},
      {"depth", options.depth},
      {"size", options.size},
      {"seconds", report.seconds},
      {"interrupted", report.interrupted},
      {"requests_per_second", per_second(report.window_answered, report)},
      {"megabytes_per_second", per_second(report.window_bytes, report) / 1e6},
      {"latency_us", latency},
      {"client_cpu_us_per_request", us_per_request(report.client_cpu_ns, report)},
      {"client_cpu_percent", percent_of_core(report.client_cpu_ns, report)},
      {"server_cpu_us_per_request", nullptr},
      {"requests",
       {{"sent", report.requests.sent},
        {"answered", report.requests.answered},
        {"lost", report.requests.lost},
        {"abandoned", report.requests.abandoned},
        {"unanswered", report.requests.unanswered}}},
      {"connected", report.connected},
      {"churn",
       {{"reset", report.churned.reset},
        {"closed", report.churned.closed},
        {"half_closed", report.churned.half_closed}}},
      {"troubles", troubles},
      {"status", verdict.status},
      {"verdict", verdict.line},
  };
  if (report.server_cpu_ns > 0) {
    object["server_cpu_us_per_request"] = us_per_request(report.server_cpu_ns, report);
  }
  puts(object.dump().c_str());
}

}  // namespace eddy::tools
