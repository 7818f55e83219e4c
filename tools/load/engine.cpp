#include "load/engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace eddy::load {
namespace {

// More connects at once than this only fill the server's backlog, and lost ones are tried again
// after a second (tcp(7), tcp_syn_retries).
constexpr size_t kConnectingAtOnce = 256;

// What a connection carries: which seat is its own.
struct SeatNumber {
  uint32_t value = 0;
};

}  // namespace

Engine::Engine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
               Events events)
    : Traffic(reactor, options, schedule, std::move(events)),
      seats_(options.connections),
      ring_(size_t{options.connections} * options.depth),
      connector_(reactor, stream_options(),
                 {.timeout = options.timeout, .source = options.source}) {
  for (size_t i = 0; i < seats_.size(); ++i) seats_[i].number = static_cast<uint32_t>(i);
}

// The queue of a connection is bounded by what is in flight; reading goes on whatever its length,
// since a server may well take no more before its answers are read.
StreamOptions Engine::stream_options() {
  return {.on_open = [this](Stream& peer) { on_open(seat_of(peer)); },
          .on_data = [this](Stream& peer, const Slice& bytes) { on_data(seat_of(peer), bytes); },
          .on_end = [this](Stream& peer) { on_end(seat_of(peer)); },
          .on_close = [this](Stream& peer, std::error_code code) { on_close(seat_of(peer), code); },
          .state = state_of<SeatNumber>(),
          .hard_limit_bytes = SIZE_MAX,
          .read_while_full = true};
}

// --- Connections

void Engine::open() {
  next_seat_ = reactor_.now();
  for (size_t seat = 0; seat < seats_.size(); ++seat) empty_.push_back(seat);
  fill_more();
}

void Engine::fill_more() {
  while (takes_connections() && connecting_ < kConnectingAtOnce && !empty_.empty()) {
    const size_t seat = empty_.front();
    if (seats_[seat].connections == 0 && is_ahead_of_ramp()) return;
    empty_.pop_front();
    fill(seats_[seat]);
  }
}

// The connections that a run begins with are made at a rate, if one was asked for.
bool Engine::is_ahead_of_ramp() {
  if (options_.connect_rate == 0) return false;
  const TimePoint now = reactor_.now();
  if (next_seat_ <= now) {
    // One that is late by little keeps the others' times.
    const std::chrono::nanoseconds gap(std::llround(1e9 / options_.connect_rate));
    next_seat_ = std::max(next_seat_, now - std::chrono::milliseconds(100)) + gap;
    return false;
  }
  reactor_.cancel_timer(ramp_timer_);
  ramp_timer_ = reactor_.start_timer_at(next_seat_, [this] { fill_more(); });
  return true;
}

void Engine::fill(Seat& seat) {
  auto connecting = connector_.connect(options_.address);
  if (!connecting) {
    add_trouble(Trouble::kConnect, connecting.error().code().message());
    troubled_.push_back(seat.number);
    return settle(seat);
  }
  ++connecting_;
  seat = {.stream = *connecting,
          .number = seat.number,
          .connections = seat.connections + 1,
          .since = reactor_.now(),
          .settled = seat.settled};
  seat.stream.state<SeatNumber>().value = seat.number;
}

Engine::Seat& Engine::seat_of(const Stream& peer) { return seats_[peer.state<SeatNumber>().value]; }

void Engine::settle(Seat& seat) {
  if (seat.settled) return;
  seat.settled = true;
  if (++settled_ == seats_.size()) events_.settled();
}

void Engine::on_open(Seat& seat) {
  seat.opened = now_ = reactor_.now();
  record_.connect.record((now_ - seat.since).count());
  start(seat);
  if (!has_handshake()) stand(seat);
}

void Engine::stand(Seat& seat) {
  seat.stands = true;
  --connecting_;
  ++open_;
  ++connected_;
  if (begun_ && takes_requests()) send_first(seat);
  settle(seat);
  fill_more();
}

void Engine::add_handshake(const Seat& seat, bool is_resumed, const std::string& agreed) {
  record_.handshakes.times.record((now_ - seat.opened).count());
  record_.handshakes.resumed += is_resumed ? 1 : 0;
  ++record_.handshakes.agreed[agreed];
}

void Engine::close_stream(Seat& seat) {
  end_output(seat);
  seat.stream.close();
}

void Engine::on_end(Seat& seat) {
  const uint32_t before = seat.in_flight;
  now_ = reactor_.now();
  if (!seat.is_retired || before > 0) receive_end(seat);
  if (seat.in_trouble) return;
  close_stream(seat);
  if (seat.in_flight != before) go_on(seat, 0);
}

void Engine::on_close(Seat& seat, std::error_code code) {
  seat.stream = Stream();
  (seat.stands ? open_ : connecting_) -= 1;
  if (closing_) return;
  if (seat.is_retired && !seat.in_trouble) {
    drop_all(seat, &Requests::abandoned);
    empty_.push_back(seat.number);
  } else {
    if (!seat.in_trouble) {
      add_trouble(seat.stands ? Trouble::kLost : Trouble::kConnect, code.message());
    }
    drop_all(seat, &Requests::lost);
    troubled_.push_back(seat.number);
  }
  const bool stood = std::exchange(seat.stands, false);
  settle(seat);
  tell_if_drained();
  fill_more();
  if (!stood) tell_if_stranded();
}

// After the window, what is due waits for connections; there will be none if a try at each failed.
void Engine::tell_if_stranded() {
  const bool is_alone = open_ == 0 && connecting_ == 0 && troubled_.size() == seats_.size();
  if (is_winding_down() && is_alone && in_flight() == 0) events_.drained();
}

void Engine::fail(Seat& seat, Trouble trouble, const std::string& cause) {
  if (seat.in_trouble) return;
  if (trouble == Trouble::kWrong && seat.in_flight > 0) drop(seat, &Requests::wrong);
  seat.in_trouble = true;
  add_trouble(trouble, cause);
  seat.stream.reset();
}

// --- When a request is sent

void Engine::begin_all() {
  for (Seat& seat : seats_) {
    if (seat.stands && seat.stream.is_open()) send_first(seat);
  }
}

void Engine::send_first(Seat& seat) {
  if (!is_open_loop(options_)) return send_next(seat, options_.depth);
  offer(seat);
  send_due();
}

// How many of `count` requests this connection may still send.
uint32_t Engine::allowed(const Seat& seat, uint32_t count) const {
  const uint64_t most = options_.requests_per_connection;
  if (seat.is_retired) return 0;
  if (most > 0) count = static_cast<uint32_t>(std::min<uint64_t>(count, most - seat.sent));
  return allowed_now(count);
}

// Without a schedule: the moment is now.
void Engine::send_next(Seat& seat, uint32_t count) {
  count = allowed(seat, count);
  if (count == 0) return;
  const uint32_t first = seat.oldest + seat.in_flight;
  for (uint32_t i = 0; i < count; ++i) add(seat, now_, now_, next_kind());
  write(seat, first, count);
}

void Engine::think_and_send(Seat& seat, uint32_t count) {
  reactor_.start_timer(options_.think, [this, stream = seat.stream, count] {
    if (!stream.is_open()) return;
    now_ = reactor_.now();
    send_next(seat_of(stream), count);
  });
}

// With a schedule: this seat can take a request.
void Engine::offer(Seat& seat) {
  if (allowed(seat, 1) == 0 || seat.in_flight == options_.depth) return;
  offer_seat(seat.number);
}

void Engine::send_due() {
  send_due_on([this](uint32_t number, TimePoint moment) {
    Seat& seat = seats_[number];
    if (!seat.stands || !seat.stream.is_open() || allowed(seat, 1) == 0) return;
    const uint32_t first = seat.oldest + seat.in_flight;
    add(seat, moment, now_, take_due(moment));
    write(seat, first, 1);
    offer(seat);
  });
}

void Engine::add(Seat& seat, TimePoint intended, TimePoint now, uint32_t kind) {
  request_of(seat, seat.oldest + seat.in_flight++) = {intended, now, kind};
  ++seat.sent;
  count_sent(intended);
}

// --- What comes back

void Engine::on_data(Seat& seat, const Slice& bytes) {
  if (seat.in_trouble) return;
  record_.bytes_received += bytes.size();
  now_ = reactor_.now();
  const uint32_t before = seat.in_flight;
  set_amid_answer(seat, receive(seat, bytes.view()));
  // More: the end of a handshake.
  if (seat.in_trouble || seat.in_flight >= before) return;
  go_on(seat, before - seat.in_flight);
}

void Engine::go_on(Seat& seat, uint32_t count) {
  if (seat.in_flight == 0) {
    if (options_.requests_per_connection > 0 && allowed(seat, 1) == 0) retire(seat);
    if (seat.is_retired) close_stream(seat);
  }
  if (!takes_requests()) return tell_if_drained();
  if (is_open_loop(options_)) {
    offer(seat);
    send_due();
  } else if (options_.think > std::chrono::nanoseconds::zero()) {
    think_and_send(seat, count);
  } else {
    send_next(seat, count);
  }
}

void Engine::retire(Seat& seat) {
  if (seat.is_retired) return;
  seat.is_retired = true;
  seat.since = reactor_.now();
}

void Engine::answered(Seat& seat, AnswerClass what) {
  const Request& request = take_oldest(seat);
  count_answered(request, seat.is_amid_answer ? seat.first_byte : now_, what);
  seat.is_amid_answer = false;
}

void Engine::answered_wrong(Seat& seat, const std::string& cause, AnswerClass what) {
  is_heard_ = true;
  add_trouble(Trouble::kWrong, cause);
  count_class(request_of(seat, seat.oldest), what);
  drop(seat, &Requests::wrong);
  seat.is_amid_answer = false;
}

const Request& Engine::take_oldest(Seat& seat) {
  const Request& request = request_of(seat, seat.oldest);
  seat.oldest = seat.oldest + 1 == options_.depth ? 0 : seat.oldest + 1;
  --seat.in_flight;
  return request;
}

// The oldest request in flight there ended so.
void Engine::drop(Seat& seat, uint64_t Requests::* how) { count_ended(take_oldest(seat), how); }

void Engine::drop_all(Seat& seat, uint64_t Requests::* how) {
  while (seat.in_flight > 0) drop(seat, how);
}

// --- Now and then

void Engine::tend() {
  const TimePoint now = reactor_.now();
  for (Seat& seat : seats_) {
    if (seat.stream != Stream()) tend_seat(seat, now);
  }
  empty_.insert(empty_.end(), troubled_.begin(), troubled_.end());
  troubled_.clear();
  fill_more();
  tell_if_stranded();
}

void Engine::tend_seat(Seat& seat, TimePoint now) {
  if (seat.is_retired) {
    // What was queued before the end cannot be sent, since the server sends and does not read.
    if (now - seat.since > options_.timeout) seat.stream.reset();
  } else if (!seat.stands && seat.opened != TimePoint() && now - seat.opened > options_.timeout) {
    fail(seat, Trouble::kTls, "no handshake in time");
  } else if (seat.in_flight > 0 && now - request_of(seat, seat.oldest).sent > options_.timeout) {
    record_waiting(seat, now);
    drop_all(seat, &Requests::timed_out);
    fail(seat, Trouble::kTimedOut, "no answer in time");
  }
}

void Engine::record_waiting(const Seat& seat, TimePoint now) {
  for (uint32_t i = 0; i < seat.in_flight; ++i) {
    count_waiting(request_of(seat, seat.oldest + i), now);
  }
}

bool Engine::kill(size_t number, Kill how) {
  Seat& seat = seats_[number];
  if (!seat.stream.is_open() || seat.is_retired) return false;
  retire(seat);
  if (how == Kill::kReset || !seat.stands) {
    ++churned_.reset;
    seat.stream.reset();
  } else if (how == Kill::kClose) {
    ++churned_.closed;
    close_stream(seat);
  } else {
    ++churned_.half_closed;
    end_output(seat);
    seat.stream.shutdown_write();
    if (seat.in_flight == 0) seat.stream.close();
  }
  return true;
}

// --- The end

void Engine::close_all(TimePoint now) {
  reactor_.cancel_timer(ramp_timer_);
  for (Seat& seat : seats_) {
    if (seat.stream == Stream()) continue;
    if (seat.in_flight == 0) {
      close_stream(seat);
      continue;
    }
    if (!seat.is_retired && !seat.in_trouble) record_waiting(seat, now);
    drop_all(seat, seat.is_retired   ? &Requests::abandoned
                   : seat.in_trouble ? &Requests::lost
                                     : &Requests::unanswered);
    seat.stream.reset();
  }
}

}  // namespace eddy::load
