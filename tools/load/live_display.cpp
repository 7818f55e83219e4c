#include "load/live_display.h"

#include <string>

#include "load/percentiles.h"
#include "load/report.h"

namespace eddy::load {
namespace {

constexpr size_t kCourse = 60;  // seconds

}  // namespace

LiveDisplay::LiveDisplay(const LoadOptions& options) : is_utf8_(locale_is_utf8()) {
  const Share& share = options.share;
  if (share.of > 1) {
    figures_.whose = "rank " + std::to_string(share.index) + " of " + std::to_string(share.of);
  }
  figures_.connections = options.connections;
  figures_.is_open_loop = is_open_loop(options);
}

void LiveDisplay::add(std::chrono::nanoseconds, std::chrono::nanoseconds, const Record& second) {
  const Histogram response = second.response();
  figures_.last = {
      .p50 = known_at(response, 50), .p99 = known_at(response, 99), .maximum = response.maximum()};
  const Requests& requests = second.requests;
  figures_.failed += requests.failed() + requests.unanswered + requests.unsent;
  if (figures_.is_open_loop && figures_.last.p99) note(static_cast<double>(*figures_.last.p99));
}

void LiveDisplay::show(const Moment& moment) {
  if (moment.phase == Moment::Phase::kOver) return progress_.clear();
  const auto passed =
      std::chrono::duration<double>(moment.elapsed - figures_.moment.elapsed).count();
  if (passed > 0) {
    figures_.rate = static_cast<double>(moment.completed - figures_.moment.completed) / passed;
    if (!figures_.is_open_loop && moment.phase == Moment::Phase::kMeasuring) note(figures_.rate);
  }
  figures_.moment = moment;
  progress_.show(live_line(figures_, {.columns = progress_.columns(), .is_utf8 = is_utf8_}));
}

void LiveDisplay::note(double value) {
  if (figures_.course.size() == kCourse) figures_.course.erase(figures_.course.begin());
  figures_.course.push_back(value);
}

}  // namespace eddy::load
