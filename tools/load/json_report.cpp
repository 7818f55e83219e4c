#include "load/json_report.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "load/set_up.h"
#include "load/times_json.h"

namespace eddy::load {
namespace {

using Json = nlohmann::ordered_json;

// Null where the run was too short to tell; the upper end is null where it lies beyond what was
// seen.
Json json_of(const QuantileInterval& interval) {
  if (interval.verdict != QuantileInterval::Verdict::kKnown) return nullptr;
  return {us(interval.lower), interval.open ? Json() : Json(us(interval.upper))};
}

Json json_of(const std::array<QuantileInterval, kPercentiles.size()>& intervals) {
  Json object = Json::object();
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    object[percentile_name(kPercentiles[i])] = json_of(intervals[i]);
  }
  return object;
}

Json json_of(const Requests& requests) {
  return {{"scheduled", requests.scheduled}, {"sent", requests.sent()},
          {"answered", requests.answered},   {"wrong", requests.wrong},
          {"lost", requests.lost},           {"abandoned", requests.abandoned},
          {"timed_out", requests.timed_out}, {"unanswered", requests.unanswered},
          {"unsent", requests.unsent}};
}

// Of HTTP, by the statuses' first digits.
Json statuses_of(const LoadOptions& options, const Record& record) {
  if (options.protocol != Protocol::kHttp) return nullptr;
  Json object = Json::object();
  for (size_t digit = 1; digit < kAnswerClasses; ++digit) {
    if (record.classes[digit] > 0) object[std::to_string(digit) + "xx"] = record.classes[digit];
  }
  return object;
}

Json reads_of(const LoadOptions& options, const Record& record) {
  if (!is_store(options.protocol)) return nullptr;
  return {{"found", record.classes[kKeyFound]}, {"missed", record.classes[kKeyMissed]}};
}

// Null where there were none.
Json json_of(const Handshakes& handshakes) {
  if (handshakes.agreed.empty()) return nullptr;
  return {{"handshakes", handshakes.times.count()},
          {"resumed", handshakes.resumed},
          {"handshake_us", load::json_of(handshakes.times)},
          {"agreed", handshakes.agreed}};
}

Json json_of(const Troubles& troubles) {
  Json array = Json::array();
  for (const auto& [key, count] : troubles) {
    array.push_back({{"kind", name_of(key.first)}, {"cause", key.second}, {"count", count}});
  }
  return array;
}

Json json_of(std::optional<int64_t> nanoseconds) {
  return nanoseconds ? Json(us(*nanoseconds)) : Json();
}

Json json_of(const std::vector<WorkerReport>& workers) {
  Json array = Json::array();
  for (const WorkerReport& worker : workers) {
    array.push_back({{"connections", worker.connections},
                     {"seconds", worker.seconds},
                     {"cpu_percent", worker.busy_percent()},
                     {"lateness_p99_us", json_of(known_at(worker.lateness, 99))}});
  }
  return array;
}

Json curve_of(const Histogram& times) {
  Json array = Json::array();
  for (const CurvePoint& point : percentile_curve(times)) {
    array.push_back({point.percentile, us(point.value)});
  }
  return array;
}

Json json_of(const TimelineSpan& span) {
  Json response = Json::object();
  for (size_t i = 0; i < kPercentiles.size(); ++i) {
    response[percentile_name(kPercentiles[i])] = json_of(span.response[i]);
  }
  response["max"] = us(span.response_maximum);
  return {{"start", std::chrono::duration<double>(span.start).count()},
          {"length", std::chrono::duration<double>(span.length).count()},
          {"requests", json_of(span.requests)},
          {"completed", span.completed},
          {"bytes_received", span.bytes_received},
          {"latency_us", response},
          {"service_p99_us", json_of(span.service_p99)},
          {"lag_p99_us", json_of(span.lag_p99)},
          {"client_lateness_p99_us", json_of(span.lateness_p99)}};
}

Json json_of(const std::vector<TimelineSpan>& timeline) {
  Json array = Json::array();
  for (const TimelineSpan& span : timeline) array.push_back(json_of(span));
  return array;
}

Json set_up_of(const LoadOptions& options) {
  const SetUp set_up = look_at_set_up();
  const auto seconds = [](std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
  };
  return {{"version", set_up.version},
          {"command", set_up.command},
          {"ended", set_up.ended},
          {"kernel", set_up.kernel},
          {"cpu", set_up.cpu},
          {"cpus", set_up.cpus},
          {"warmup", seconds(options.warmup)},
          {"duration", seconds(options.duration)},
          {"timeout", seconds(options.timeout)}};
}

// In the unit of the figure: microseconds, a fraction, a second.
Json json_of(const Judgement& judgement) {
  const Objective& objective = judgement.objective;
  const double unit = objective.is_time() ? 1e3 : 1;
  Json object = {{"expression", objective.text},
                 {"failed", judgement.holds},
                 {"sure", judgement.sure},
                 {"value", judgement.known ? Json(judgement.figure / unit) : Json()},
                 {"limit", objective.limit / unit},
                 {"interval", nullptr}};
  if (judgement.interval) object["interval"] = json_of(*judgement.interval);
  return object;
}

Json json_of(const std::vector<Judgement>& thresholds) {
  Json array = Json::array();
  for (const Judgement& each : thresholds) array.push_back(json_of(each));
  return array;
}

Json json_of(const RateRun& run) {
  const QuantileInterval& interval = run.interval;
  const bool has_value = interval.verdict != QuantileInterval::Verdict::kTooFewBeyond;
  return {{"rate", run.rate},
          {"value_us", has_value ? Json(us(interval.value)) : Json()},
          {"interval_us", json_of(interval)},
          {"within", run.standing == Standing::kWithin},
          {"verdict", name_of(run.standing)},
          {"run_verdict", run.verdict},
          {"seconds", run.seconds}};
}

Json json_of(const Search& search) {
  const SearchResult& result = search.result;
  const auto rate = [](std::optional<double> value) { return value ? Json(*value) : Json(); };
  Json object = {{"objective", search.objective.text},    {"max_rate", rate(result.max_rate)},
                 {"not_within", rate(result.not_within)}, {"end", name_of(result.end)},
                 {"summary", summary_of(search)},         {"runs", Json::array()}};
  for (const RateRun& run : result.runs) object["runs"].push_back(json_of(run));
  return object;
}

Json json_of(const RankRow& row) {
  return {{"host", row.host},
          {"requests_per_second", row.requests_per_second},
          {"p50_us", json_of(row.p50)},
          {"p99_us", json_of(row.p99)},
          {"max_us", us(row.maximum)},
          {"client_cpu_percent", row.cpu_percent},
          {"client_lateness_p99_us", json_of(row.lateness_p99)},
          {"clock_offset_us", us(row.clock_offset.count())},
          {"start_uncertainty_us", us(row.start_uncertainty.count())},
          {"status", row.verdict.status},
          {"verdict", row.verdict.word},
          {"reason", row.verdict.reason}};
}

}  // namespace

std::string json_of(const LoadReport& report, const LoadOptions& options,
                    const std::string& backend, const Verdict& verdict, const Search* search) {
  const Record& record = report.record;
  Json object = {
      {"target", options.target},
      {"backend", backend},
      {"connections", options.connections},
      {"depth", options.depth},
      {"size", options.size},
      {"arrivals", name_of(options.pacing)},
      {"rate", options.rate > 0 ? Json(options.rate) : Json()},
      {"rate_profile", options.segments.empty() ? Json() : Json(options.rate_text)},
      {"threads", options.threads},
      {"seed", options.seed},
      {"seconds", report.seconds},
      {"interrupted", report.interrupted},
      {"requests_per_second", per_second(report.completed, report)},
      {"megabytes_per_second", per_second(report.bytes_received, report) / 1e6},
      {"latency_us", json_of(record.response())},
      {"interval_us", json_of(report.intervals)},
      {"service_us", json_of(record.service)},
      {"lag_us", json_of(record.lag)},
      {"client_lateness_us", json_of(record.lateness)},
      {"first_byte_us", json_of(record.first_byte)},
      {"connect_us", json_of(record.connect)},
      {"tls", json_of(record.handshakes)},
      {"client_cpu_us_per_request", us_per_request(report.client_cpu_ns, report)},
      {"client_cpu_percent", percent_of_core(report.client_cpu_ns, report)},
      {"server_cpu_us_per_request", nullptr},
      {"requests", json_of(record.requests)},
      {"statuses", statuses_of(options, record)},
      {"reads", reads_of(options, record)},
      {"strays", record.strays},
      {"connected", report.connected},
      {"churn",
       {{"reset", report.churned.reset},
        {"closed", report.churned.closed},
        {"half_closed", report.churned.half_closed}}},
      {"troubles", json_of(report.troubles)},
      {"percentiles",
       {{"response_us", curve_of(record.response())}, {"service_us", curve_of(record.service)}}},
      {"timeline", json_of(report.timeline)},
      {"workers", json_of(report.workers)},
      {"thresholds", json_of(verdict.thresholds)},
      {"status", verdict.status},
      {"verdict", verdict.word},
      {"reason", verdict.reason},
  };
  object["set_up"] = set_up_of(options);
  for (size_t kind = 0; kind < options.kind_names.size(); ++kind) {
    object["kinds"][options.kind_names[kind]] = json_of(record.response_of[kind]);
  }
  for (const RankRow& row : report.ranks) object["ranks"].push_back(json_of(row));
  if (report.server_cpu_ns > 0) {
    object["server_cpu_us_per_request"] = us_per_request(report.server_cpu_ns, report);
  }
  if (search != nullptr) object["search"] = json_of(*search);
  // What a server said need not be UTF-8.
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace eddy::load
