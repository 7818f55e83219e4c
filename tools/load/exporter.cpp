#include "load/exporter.h"

#include <eddy/net/http/message_parser.h>
#include <eddy/net/http/message_writer.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "cpu_time.h"

namespace eddy::load {
namespace {

using http::MessageParser;

constexpr std::string_view kPath = "/metrics";

struct Session {
  MessageParser parser{{.type = MessageParser::Type::kRequest,
                        .max_head_bytes = size_t{8} * 1024,
                        .want_body = false}};
  bool is_answered = false;
};

// RFC 9110, section 5.6.7; what strftime(3) writes, since nobody has called setlocale(3).
std::string http_date() {
  const time_t now = time(nullptr);
  tm utc = {};
  gmtime_r(&now, &utc);
  char text[32];
  strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return text;
}

// Without the scheme and authority that a target may begin with (RFC 9112, section 3.2.2), and
// without a query.
std::string_view path_of(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    target.remove_prefix(std::min(target.find('/', kScheme.size()), target.size()));
  }
  return target.substr(0, target.find('?'));
}

// The one answer of a connection.
struct Answer {
  unsigned status;
  std::string_view reason;
  std::string_view body;
  std::string_view type = "text/plain; charset=utf-8";
  bool is_head = false;
};

void send(Stream& scraper, const Answer& answer) {
  scraper.state<Session>().is_answered = true;
  const std::string date = http_date();
  const std::string length = std::to_string(answer.body.size());
  const std::array<http::Header, 5> headers = {{{"Date", date},
                                                {"Content-Type", answer.type},
                                                {"Content-Length", length},
                                                {"Connection", "close"},
                                                {"Allow", "GET, HEAD"}}};
  std::string bytes;
  const size_t count = answer.status == 405 ? headers.size() : headers.size() - 1;
  const auto written = http::write_response(bytes, {.status = answer.status,
                                                    .reason = answer.reason,
                                                    .headers = std::span(headers).first(count)});
  if (!written) return scraper.reset();
  if (!answer.is_head) bytes += answer.body;
  scraper.send(bytes);
  // What is left of its request is dropped until it ends, so that the answer is not lost by a
  // reset.
  scraper.shutdown_write();
}

// What the schedule has now.
double rate_at(const LoadOptions& options, const Moment& moment) {
  const bool has_begun =
      moment.phase == Moment::Phase::kWarmup || moment.phase == Moment::Phase::kMeasuring;
  if (!has_begun || options.segments.empty()) return has_begun ? options.rate : 0;
  auto into = moment.elapsed;
  for (const RateSegment& segment : options.segments) {
    if (into < segment.length) {
      const double share = std::chrono::duration<double>(into) / segment.length;
      return segment.from + share * (segment.to - segment.from);
    }
    into -= segment.length;
  }
  return 0;
}

}  // namespace

Exporter::Exporter(Reactor& reactor, const LoadOptions& options, const Limits& limits)
    : options_(options),
      server_(reactor,
              {.on_data = [this](Stream& scraper, Slice bytes) { on_data(scraper, bytes.view()); },
               .state = state_of<Session>(),
               .total_timeout = limits.time},
              {.max_connections = limits.connections}) {}

Result<void> Exporter::listen(std::string_view address) { return server_.listen(address); }

void Exporter::add(std::chrono::nanoseconds, std::chrono::nanoseconds, const Record& second) {
  metrics_.requests += second.requests;
  metrics_.bytes_received += second.bytes_received;
  for (const Histogram& response : second.response_of) merge_into(metrics_.response, response);
  merge_into(metrics_.service, second.service);
  merge_into(metrics_.lag, second.lag);
}

void Exporter::show(const Moment& moment) {
  metrics_.moment = moment;
  metrics_.target_rate = rate_at(options_, moment);
  if (moment.phase == Moment::Phase::kOver) server_.drain(std::chrono::milliseconds(200));
}

std::string Exporter::metrics() {
  metrics_.cpu_seconds = static_cast<double>(tools::own_cpu_ns()) / 1e9;
  return text_of(metrics_, options_);
}

void Exporter::on_data(Stream& scraper, std::string_view bytes) {
  auto& session = scraper.state<Session>();
  if (session.is_answered) return;
  const auto event = session.parser.next(bytes);
  if (!event) {
    if (event.error().code() == http::Errc::kHeadTooLong) {
      return send(scraper, {431, "Request Header Fields Too Large", "the head is too long\n"});
    }
    return send(scraper, {400, "Bad Request", "this is no HTTP request\n"});
  }
  if (*event == MessageParser::Event::kNeedMore) return;
  answer(scraper, session.parser.method(), session.parser.target());
}

void Exporter::answer(Stream& scraper, std::string_view method, std::string_view target) {
  const bool is_head = method == "HEAD";
  if (path_of(target) != kPath) {
    return send(scraper, {.status = 404,
                          .reason = "Not Found",
                          .body = "metrics are at /metrics\n",
                          .is_head = is_head});
  }
  if (method != "GET" && !is_head) {
    return send(scraper, {405, "Method Not Allowed", "GET and HEAD alone\n"});
  }
  send(scraper, {.status = 200,
                 .reason = "OK",
                 .body = metrics(),
                 .type = "text/plain; version=0.0.4; charset=utf-8",
                 .is_head = is_head});
}

}  // namespace eddy::load
