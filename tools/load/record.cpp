#include "load/record.h"

#include <stdlib.h>

namespace eddy::load {

void merge_into(Histogram& sum, const Histogram& part) {
  if (!sum.merge(part)) abort();
}

Requests& Requests::operator+=(const Requests& other) {
  scheduled += other.scheduled;
  answered += other.answered;
  wrong += other.wrong;
  lost += other.lost;
  abandoned += other.abandoned;
  timed_out += other.timed_out;
  unanswered += other.unanswered;
  unsent += other.unsent;
  return *this;
}

Record::Record(size_t kinds) : response_of(kinds), at_once_(kinds) {}

void Record::add_delayed(const Request& request, TimePoint first, TimePoint end) {
  response_of[request.kind].record((end - request.intended).count());
  service.record((end - request.sent).count());
  lag.record((request.sent - request.intended).count());
  first_byte.record((first - request.sent).count());
}

void Record::add_waiting(const Request& request, TimePoint end) {
  response_of[request.kind].record((end - request.intended).count());
  service.record((end - request.sent).count());
  lag.record((request.sent - request.intended).count());
}

void Record::add_unsent(std::chrono::nanoseconds waited, uint32_t kind, uint64_t times) {
  if (times == 0) return;
  requests.scheduled += times;
  requests.unsent += times;
  response_of[kind].record(waited.count(), times);
  lag.record(waited.count(), times);
}

void Record::settle() {
  for (size_t kind = 0; kind < at_once_.size(); ++kind) {
    Histogram& times = at_once_[kind];
    if (times.count() == 0) continue;
    for (Histogram* each : {&response_of[kind], &service, &first_byte}) merge_into(*each, times);
    lag.record(0, times.count());
    times.reset();
  }
}

void Record::merge(const Record& other) {
  requests += other.requests;
  for (size_t i = 0; i < classes.size(); ++i) classes[i] += other.classes[i];
  completed += other.completed;
  bytes_received += other.bytes_received;
  strays += other.strays;
  for (size_t kind = 0; kind < response_of.size(); ++kind) {
    merge_into(response_of[kind], other.response_of[kind]);
  }
  merge_into(service, other.service);
  merge_into(lag, other.lag);
  merge_into(first_byte, other.first_byte);
  merge_into(lateness, other.lateness);
  merge_into(connect, other.connect);
  handshakes += other.handshakes;
}

void Record::reset() {
  requests = {};
  classes = {};
  completed = 0;
  bytes_received = 0;
  strays = 0;
  for (Histogram& response : response_of) response.reset();
  for (Histogram& times : at_once_) times.reset();
  for (Histogram* each : {&service, &lag, &first_byte, &lateness, &connect}) each->reset();
  handshakes.reset();
}

Histogram Record::response() const {
  Histogram all;
  for (const Histogram& response : response_of) merge_into(all, response);
  return all;
}

}  // namespace eddy::load
