#include "load/metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include <array>
#include <string_view>
#include <utility>

#include "load/report.h"

namespace eddy::load {
namespace {

// As a double and as its text is: seconds from 10 µs to a minute.
struct Bound {
  double seconds;
  const char* text;
};
constexpr auto kBounds = std::to_array<Bound>({
    {1e-5, "1e-05"},  {2e-5, "2e-05"}, {5e-5, "5e-05"}, {1e-4, "0.0001"}, {2e-4, "0.0002"},
    {5e-4, "0.0005"}, {1e-3, "0.001"}, {2e-3, "0.002"}, {5e-3, "0.005"},  {0.01, "0.01"},
    {0.02, "0.02"},   {0.05, "0.05"},  {0.1, "0.1"},    {0.2, "0.2"},     {0.5, "0.5"},
    {1, "1"},         {2, "2"},        {5, "5"},        {10, "10"},       {20, "20"},
    {60, "60"},
});

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    add("# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  }
  void sample(std::string_view name, std::string_view labels, uint64_t value) {
    char number[24];
    snprintf(number, sizeof(number), "%" PRIu64, value);
    add(name, labels, " ", number, "\n");
  }
  void sample(std::string_view name, std::string_view labels, double value) {
    char number[32];
    snprintf(number, sizeof(number), "%.17g", value);
    add(name, labels, " ", number, "\n");
  }
  template <typename Value>
  void single(std::string_view name, std::string_view type, Value value, std::string_view help) {
    family(name, type, help);
    sample(name, "", value);
  }

  std::string text;

 private:
  template <typename... Parts>
  void add(Parts... parts) {
    (text.append(parts), ...);
  }
};

std::string escaped(std::string_view value) {
  std::string text;
  for (const char each : value) {
    if (each == '\n') {
      text += "\\n";
    } else {
      if (each == '"' || each == '\\') text += '\\';
      text += each;
    }
  }
  return text;
}

void add_histogram(Text& out, const std::string& name, const Histogram& times,
                   std::string_view help) {
  out.family(name, "histogram", help);
  size_t bound = 0;
  uint64_t below = 0;
  const auto end_bucket = [&] {
    out.sample(name + "_bucket", "{le=\"" + std::string(kBounds[bound++].text) + "\"}", below);
  };
  times.for_each([&](const Histogram::Bucket& bucket) {
    while (bound < kBounds.size() &&
           static_cast<double>(bucket.lowest) > kBounds[bound].seconds * 1e9) {
      end_bucket();
    }
    below += bucket.count;
  });
  while (bound < kBounds.size()) end_bucket();
  out.sample(name + "_bucket", "{le=\"+Inf\"}", times.count());
  out.sample(name + "_sum", "", static_cast<double>(times.sum()) / 1e9);
  out.sample(name + "_count", "", times.count());
}

void add_requests(Text& out, const Requests& requests) {
  out.single("eddy_load_requests_scheduled_total", "counter", requests.scheduled,
             "Requests of the window that were due.");
  out.family("eddy_load_requests_total", "counter",
             "Requests of the window, by what became of them.");
  for (const auto& [outcome, count] :
       {std::pair("answered", requests.answered), std::pair("wrong", requests.wrong),
        std::pair("lost", requests.lost), std::pair("abandoned", requests.abandoned),
        std::pair("timed_out", requests.timed_out), std::pair("unanswered", requests.unanswered),
        std::pair("unsent", requests.unsent)}) {
    out.sample("eddy_load_requests_total", "{outcome=\"" + std::string(outcome) + "\"}", count);
  }
}

void add_phase(Text& out, Moment::Phase phase) {
  out.family("eddy_load_phase", "gauge", "1 for the phase in which the run is.");
  for (const auto& [name, each] : {std::pair("connecting", Moment::Phase::kConnecting),
                                   std::pair("warmup", Moment::Phase::kWarmup),
                                   std::pair("measuring", Moment::Phase::kMeasuring),
                                   std::pair("draining", Moment::Phase::kDraining)}) {
    out.sample("eddy_load_phase", "{phase=\"" + std::string(name) + "\"}",
               uint64_t{phase == each ? 1U : 0U});
  }
}

}  // namespace

std::string text_of(const Metrics& metrics, const LoadOptions& options) {
  Text out;
  out.family("eddy_load_info", "gauge", "What is loaded, and how.");
  out.sample(
      "eddy_load_info",
      "{target=\"" + escaped(options.target) + "\",arrivals=\"" + name_of(options.pacing) + "\"}",
      uint64_t{1});
  add_phase(out, metrics.moment.phase);
  add_requests(out, metrics.requests);
  out.single("eddy_load_answers_total", "counter", metrics.moment.completed,
             "Answers since the load began, its warm-up included.");
  out.single("eddy_load_received_bytes_total", "counter", metrics.bytes_received,
             "Bytes received in the window.");
  out.single("eddy_load_troubles_total", "counter", metrics.moment.troubles,
             "Connections that could not be made, or failed.");
  add_histogram(out, "eddy_load_response_seconds", metrics.response,
                "From the moment that the schedule has to the last byte of the answer.");
  add_histogram(out, "eddy_load_service_seconds", metrics.service,
                "From when a request was sent to the last byte of its answer.");
  add_histogram(out, "eddy_load_lag_seconds", metrics.lag,
                "From the moment that the schedule has to when the request was sent.");
  out.single("eddy_load_open_connections", "gauge", metrics.moment.open_connections,
             "Connections that stand.");
  out.single("eddy_load_in_flight", "gauge", metrics.moment.in_flight,
             "Requests that are sent and not answered.");
  out.single("eddy_load_target_rate", "gauge", metrics.target_rate,
             "Requests a second that the schedule has now; 0 in a closed loop.");
  out.single("process_cpu_seconds_total", "counter", metrics.cpu_seconds,
             "CPU time of this process.");
  return std::move(out.text);
}

}  // namespace eddy::load
