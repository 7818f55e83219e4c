#include "load/datagram_traffic.h"

#include <string.h>

#include <system_error>
#include <utility>

namespace eddy::load {

DatagramTraffic::DatagramTraffic(Reactor& reactor, const LoadOptions& options,
                                 const Schedule& schedule, Events events)
    : Traffic(reactor, options, schedule, std::move(events)),
      seats_(options.connections),
      places_(size_t{options.connections} * options.depth),
      messages_(places_.size() * options.size) {
  const Slice bytes = pattern_.slice(0, options.size - kLeastBytes);
  for (uint32_t i = 0; i < options.connections; ++i) {
    Seat& seat = seats_[i];
    seat.number = i;
    seat.free = 0;
    for (uint32_t place = 0; place < options.depth; ++place) {
      place_of(seat, place).owner.references = 1;  // so that no Slice is the last
      place_of(seat, place).behind = place + 1 < options.depth ? place + 1 : kNone;
      memcpy(message_of(seat, place) + kLeastBytes, bytes.data(), bytes.size());
    }
  }
}

// --- Sockets

// The queue has room for all that can be in flight.
DatagramOptions DatagramTraffic::socket_options(uint32_t number) {
  return {
      .on_datagram = [this, number](Datagram&, const Slice& bytes,
                                    const DatagramInfo&) { on_datagram(seats_[number], bytes); },
      .on_error =
          [this, number](Datagram&, const DatagramError& error) {
            fail(seats_[number], Trouble::kLost, error.code.message());
          },
      .on_close = [this, number](Datagram&, std::error_code) { on_close(seats_[number]); },
      .want_source = false,
      .send_queue_datagrams = options().depth,
      .send_queue_bytes = SIZE_MAX};
}

void DatagramTraffic::open() {
  for (Seat& seat : seats_) fill(seat);
  events_.settled();
}

void DatagramTraffic::fill(Seat& seat) {
  auto socket = Datagram::connect(reactor_, options().address, socket_options(seat.number));
  if (!socket) {
    add_trouble(Trouble::kConnect, socket.error().code().message());
    troubled_.push_back(seat.number);
    return;
  }
  seat.socket = *socket;
  seat.in_trouble = false;
  ++open_;
  ++connected_;
}

void DatagramTraffic::fail(Seat& seat, Trouble trouble, const std::string& cause) {
  if (seat.in_trouble || closing_) return;
  seat.in_trouble = true;
  add_trouble(trouble, cause);
  drop_all(seat, &Requests::lost);
  seat.socket.reset();
  tell_if_drained();
}

// Nothing of this socket's is queued any more, so that its places can be used again.
void DatagramTraffic::on_close(Seat& seat) {
  seat.socket = Datagram();
  --open_;
  if (!closing_) troubled_.push_back(seat.number);
}

// --- When a request is sent

bool DatagramTraffic::can_send(const Seat& seat) const {
  return seat.socket != Datagram() && !seat.in_trouble && seat.free != kNone && takes_requests();
}

void DatagramTraffic::begin_all() {
  now_ = reactor_.now();
  for (Seat& seat : seats_) send_first(seat);
}

void DatagramTraffic::send_first(Seat& seat) {
  if (!is_open_loop(options())) return send_next(seat, options().depth);
  offer(seat);
  send_due();
}

// Without a schedule: the moment is now.
void DatagramTraffic::send_next(Seat& seat, uint32_t count) {
  for (; count > 0 && can_send(seat); --count) send(seat, now_, next_kind());
}

void DatagramTraffic::think_and_send(Seat& seat) {
  reactor_.start_timer(options().think, [this, &seat, socket = seat.socket] {
    if (!socket.is_open()) return;
    now_ = reactor_.now();
    send_next(seat, 1);
  });
}

void DatagramTraffic::offer(Seat& seat) {
  if (can_send(seat)) offer_seat(seat.number);
}

void DatagramTraffic::send_due() {
  send_due_on([this](uint32_t number, TimePoint moment) {
    Seat& seat = seats_[number];
    if (!can_send(seat)) return;
    const uint32_t kind = take_due(moment);
    send(seat, moment, kind);
    offer(seat);
  });
}

void DatagramTraffic::send(Seat& seat, TimePoint intended, uint32_t kind) {
  const uint32_t number = seat.free;
  Place& place = place_of(seat, number);
  seat.free = place.behind;
  place.request = {intended, now_, kind};
  place.is_in_flight = true;
  place.before = seat.newest;
  place.behind = kNone;
  (seat.newest == kNone ? seat.oldest : place_of(seat, seat.newest).behind) = number;
  seat.newest = number;
  ++seat.in_flight;
  count_sent(intended);
  const Number begin = {.place = number, .turn = ++place.turn};
  char* const message = message_of(seat, number);
  memcpy(message, &begin, sizeof begin);
  seat.socket.send(Slice(&place.owner, message, options().size));
}

// --- What comes back

void DatagramTraffic::on_datagram(Seat& seat, const Slice& bytes) {
  if (seat.in_trouble || closing_) return;
  now_ = reactor_.now();
  record_.bytes_received += bytes.size();
  Number begin = {.place = kNone, .turn = 0};
  if (bytes.size() >= sizeof begin) memcpy(&begin, bytes.data(), sizeof begin);
  const bool is_place = begin.place < options().depth;
  if (!is_place || begin.turn == 0 || begin.turn > place_of(seat, begin.place).turn) {
    is_heard_ = true;
    return add_trouble(Trouble::kWrong, "an answer to no request");
  }
  const Place& place = place_of(seat, begin.place);
  if (begin.turn < place.turn || !place.is_in_flight) {
    ++record_.strays;
    return;
  }
  take_answer(seat, begin.place, bytes.view());
  go_on(seat, 1);
}

void DatagramTraffic::take_answer(Seat& seat, uint32_t place, std::string_view bytes) {
  const Request& request = take(seat, place);
  if (bytes.size() == options().size && pattern_.matches(0, bytes.substr(kLeastBytes), true)) {
    return count_answered(request, now_);
  }
  is_heard_ = true;
  add_trouble(Trouble::kWrong, "other bytes came back than were sent");
  count_ended(request, &Requests::wrong);
}

void DatagramTraffic::go_on(Seat& seat, uint32_t count) {
  if (!takes_requests()) return tell_if_drained();
  if (is_open_loop(options())) {
    offer(seat);
    send_due();
  } else if (options().think > std::chrono::nanoseconds::zero()) {
    for (; count > 0; --count) think_and_send(seat);
  } else {
    send_next(seat, count);
  }
}

// It is in flight no more, and its place is free.
const Request& DatagramTraffic::take(Seat& seat, uint32_t number) {
  Place& place = place_of(seat, number);
  (place.before == kNone ? seat.oldest : place_of(seat, place.before).behind) = place.behind;
  (place.behind == kNone ? seat.newest : place_of(seat, place.behind).before) = place.before;
  place.is_in_flight = false;
  place.behind = std::exchange(seat.free, number);
  --seat.in_flight;
  return place.request;
}

void DatagramTraffic::drop_all(Seat& seat, uint64_t Requests::* how) {
  while (seat.oldest != kNone) count_ended(take(seat, seat.oldest), how);
}

// --- Now and then

void DatagramTraffic::tend() {
  now_ = reactor_.now();
  for (Seat& seat : seats_) time_out(seat, now_);
  const std::vector<uint32_t> again = std::exchange(troubled_, {});
  for (const uint32_t number : again) {
    if (!takes_requests()) return;
    fill(seats_[number]);
    if (begun_ && seats_[number].socket != Datagram()) send_first(seats_[number]);
  }
}

// What has not left by then is the socket's trouble, and its memory is not free.
void DatagramTraffic::time_out(Seat& seat, TimePoint now) {
  uint32_t count = 0;
  while (seat.oldest != kNone) {
    const Place& place = place_of(seat, seat.oldest);
    if (now - place.request.sent <= options().timeout) break;
    if (place.owner.references > 1) return fail(seat, Trouble::kTimedOut, "not sent in time");
    const Request& request = take(seat, seat.oldest);
    count_waiting(request, now);
    count_ended(request, &Requests::timed_out);
    ++count;
  }
  if (count > 0) go_on(seat, count);
}

// --- The end

void DatagramTraffic::close_all(TimePoint now) {
  for (Seat& seat : seats_) {
    for (uint32_t place = seat.oldest; place != kNone; place = place_of(seat, place).behind) {
      count_waiting(place_of(seat, place).request, now);
    }
    drop_all(seat, &Requests::unanswered);
    if (seat.socket != Datagram()) seat.socket.reset();
  }
}

}  // namespace eddy::load
