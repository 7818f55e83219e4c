#include "load_echo.h"

#include <algorithm>

namespace eddy::tools {
namespace {

// More connects at once than this only fill the server's backlog, and lost ones are tried again
// after a second (tcp(7), tcp_syn_retries).
constexpr size_t kConnectingAtOnce = 256;
constexpr uint64_t kWholeCheckEvery = 64;
constexpr uint64_t kHopelessRounds = 3;

}  // namespace

// In every connection, beside the stream's own state.
struct EchoLoad::Session {
  uint64_t missing = 0;  // bytes until the oldest request in flight is answered
  uint32_t seat = 0;
  uint32_t in_phase = 0;   // of the next byte to come
  uint32_t out_phase = 0;  // of the next byte to go
  uint32_t oldest = 0;     // request in flight, as an index into the seat's starts
  uint32_t in_flight = 0;
  bool stands = false;      // the connect has succeeded
  bool killed = false;      // by --churn
  bool in_trouble = false;  // counted already, and being ended
  TimePoint killed_at;
};

EchoLoad::EchoLoad(Reactor& reactor, const LoadOptions& options, Events events)
    : reactor_(reactor),
      options_(options),
      events_(std::move(events)),
      seats_(options.connections),
      starts_(size_t{options.connections} * options.depth),
      connector_(reactor, stream_options(), {.timeout = options.timeout}) {}

// The queue of a connection is bounded by what is in flight; reading goes on whatever its length,
// since a server may well take no more before its answers are read.
StreamOptions EchoLoad::stream_options() {
  return {.on_open = [this](Stream& peer) { on_open(peer); },
          .on_data = [this](Stream& peer, const Slice& bytes) { on_data(peer, bytes); },
          .on_end = [this](Stream& peer) { on_end(peer); },
          .on_close = [this](Stream& peer, std::error_code code) { on_close(peer, code); },
          .state = state_of<Session>(),
          .hard_limit_bytes = SIZE_MAX,
          .read_while_full = true};
}

// --- Connections

void EchoLoad::open() {
  for (size_t seat = 0; seat < seats_.size(); ++seat) empty_.push_back(seat);
  fill_more();
}

void EchoLoad::fill_more() {
  while (!winding_down_ && connecting_ < kConnectingAtOnce && !empty_.empty()) {
    const size_t seat = empty_.front();
    empty_.pop_front();
    fill(seat);
  }
}

void EchoLoad::fill(size_t number) {
  Seat& seat = seats_[number];
  auto connecting = connector_.connect(options_.address);
  if (!connecting) {
    add_trouble(Trouble::kConnect, connecting.error().code().message());
    troubled_.push_back(number);
    return settle(seat);
  }
  ++connecting_;
  seat.stream = *connecting;
  auto& session = seat.stream.state<Session>();
  session.seat = static_cast<uint32_t>(number);
  // Neighbours, and the connections of one seat, send different bytes.
  session.out_phase = static_cast<uint32_t>((number * 1009 + seat.uses++ * 31) % Pattern::kPeriod);
  session.in_phase = session.out_phase;
  session.missing = options_.size;
}

void EchoLoad::settle(Seat& seat) {
  if (seat.settled) return;
  seat.settled = true;
  if (++settled_ == seats_.size()) events_.settled();
}

void EchoLoad::on_open(Stream& peer) {
  auto& session = peer.state<Session>();
  session.stands = true;
  --connecting_;
  ++open_;
  ++connected_;
  if (begun_ && !winding_down_) send_requests(peer, session, options_.depth);
  settle(seats_[session.seat]);
  fill_more();
}

void EchoLoad::on_end(Stream& peer) {
  const auto& session = peer.state<Session>();
  if (session.killed && session.in_flight == 0) return peer.close();
  fail(peer, Trouble::kLost, "closed by the server");
}

void EchoLoad::on_close(Stream& peer, std::error_code code) {
  const auto& session = peer.state<Session>();
  Seat& seat = seats_[session.seat];
  seat.stream = Stream();
  (session.stands ? open_ : connecting_) -= 1;
  if (closing_) return;
  if (session.killed && !session.in_trouble) {
    requests_.abandoned += session.in_flight;
    empty_.push_back(session.seat);
  } else {
    if (!session.in_trouble) {
      add_trouble(session.stands ? Trouble::kLost : Trouble::kConnect, code.message());
    }
    requests_.lost += session.in_flight;
    troubled_.push_back(session.seat);
  }
  settle(seat);
  tell_if_drained();
  fill_more();
}

void EchoLoad::tell_if_drained() {
  if (winding_down_ && in_flight() == 0) events_.drained();
}

void EchoLoad::fail(Stream& peer, Trouble trouble, const char* cause) {
  auto& session = peer.state<Session>();
  if (session.in_trouble) return;
  session.in_trouble = true;
  add_trouble(trouble, cause);
  peer.reset();
}

void EchoLoad::add_trouble(Trouble trouble, const std::string& cause) {
  ++trouble_count_;
  ++troubles_[{trouble, cause}];
}

bool EchoLoad::hopeless() const {
  return requests_.answered == 0 && trouble_count_ >= kHopelessRounds * seats_.size();
}

// --- Requests

TimePoint& EchoLoad::start_of(const Session& session, uint32_t request) {
  return starts_[size_t{session.seat} * options_.depth + request % options_.depth];
}

void EchoLoad::begin() {
  begun_ = true;
  for (Seat& seat : seats_) {
    if (!seat.stream.is_open()) continue;
    auto& session = seat.stream.state<Session>();
    if (session.stands) send_requests(seat.stream, session, options_.depth);
  }
}

// The places of answered requests in the ring are those of the new ones.
void EchoLoad::send_requests(Stream& peer, Session& session, uint32_t count) {
  const TimePoint now = reactor_.now();
  for (uint32_t i = 0; i < count; ++i)
    start_of(session, session.oldest + session.in_flight++) = now;
  requests_.sent += count;
  for (uint64_t bytes = count * options_.size; bytes > 0;) {
    const size_t piece = std::min<uint64_t>(bytes, Pattern::kLongest);
    peer.send(pattern_.slice(session.out_phase, piece));
    session.out_phase = Pattern::advance(session.out_phase, piece);
    bytes -= piece;
  }
}

void EchoLoad::on_data(Stream& peer, const Slice& bytes) {
  auto& session = peer.state<Session>();
  if (session.in_trouble) return;
  bytes_received_ += bytes.size();
  if (const char* wrong = check(session, bytes.view())) return fail(peer, Trouble::kWrong, wrong);
  const uint32_t answered = take_answers(session, bytes.size());
  if (answered == 0) return;
  if (!winding_down_ && !session.killed) return send_requests(peer, session, answered);
  if (session.killed && session.in_flight == 0) peer.close();
  tell_if_drained();
}

// What is wrong with the bytes, or nullptr.
const char* EchoLoad::check(Session& session, std::string_view bytes) {
  const uint64_t expected = session.in_flight * options_.size - (options_.size - session.missing);
  if (session.in_flight == 0 || bytes.size() > expected) return "more came back than was sent";
  const bool whole = ++pieces_ % kWholeCheckEvery == 0;
  if (!pattern_.matches(session.in_phase, bytes, whole))
    return "other bytes came back than were sent";
  session.in_phase = Pattern::advance(session.in_phase, bytes.size());
  return nullptr;
}

// How many requests are answered with these bytes.
uint32_t EchoLoad::take_answers(Session& session, size_t bytes) {
  if (bytes < session.missing) {
    session.missing -= bytes;
    return 0;
  }
  const TimePoint now = reactor_.now();
  uint32_t answered = 0;
  while (bytes >= session.missing) {
    bytes -= session.missing;
    session.missing = options_.size;
    const TimePoint start = start_of(session, session.oldest + answered++);
    if (start >= window_begin_) latency_.record((now - start).count());
  }
  session.missing -= bytes;
  session.oldest = (session.oldest + answered) % options_.depth;
  session.in_flight -= answered;
  requests_.answered += answered;
  return answered;
}

uint64_t EchoLoad::in_flight() const {
  return requests_.sent - requests_.answered - requests_.lost - requests_.abandoned -
         requests_.unanswered;
}

// --- Now and then

void EchoLoad::tend() {
  const TimePoint now = reactor_.now();
  for (Seat& seat : seats_) {
    if (seat.stream != Stream()) tend_connection(seat.stream, now);
  }
  empty_.insert(empty_.end(), troubled_.begin(), troubled_.end());
  troubled_.clear();
  fill_more();
}

void EchoLoad::tend_connection(Stream& peer, TimePoint now) {
  const auto& session = peer.state<Session>();
  if (session.killed) {
    // What was queued before the end cannot be sent, since the server sends and does not read.
    if (now - session.killed_at > options_.timeout) peer.reset();
  } else if (session.in_flight > 0 && now - start_of(session, session.oldest) > options_.timeout) {
    record_waiting(session, now);
    fail(peer, Trouble::kTimedOut, "no answer in time");
  }
}

// A request that was never answered took at least as long as it was waited for.
void EchoLoad::record_waiting(const Session& session, TimePoint now) {
  for (uint32_t i = 0; i < session.in_flight; ++i) {
    const TimePoint start = start_of(session, session.oldest + i);
    if (start >= window_begin_) latency_.record((now - start).count());
  }
}

bool EchoLoad::kill(size_t seat, Kill how) {
  Stream& peer = seats_[seat].stream;
  if (!peer.is_open()) return false;
  auto& session = peer.state<Session>();
  if (session.killed) return false;
  session.killed = true;
  session.killed_at = reactor_.now();
  if (how == Kill::kReset || !session.stands) {
    ++churned_.reset;
    peer.reset();
  } else if (how == Kill::kClose) {
    ++churned_.closed;
    peer.close();
  } else {
    ++churned_.half_closed;
    peer.shutdown_write();
    if (session.in_flight == 0) peer.close();
  }
  return true;
}

// --- The end

void EchoLoad::wind_down() {
  winding_down_ = true;
  tell_if_drained();
}

void EchoLoad::close() {
  closing_ = true;
  winding_down_ = true;
  const TimePoint now = reactor_.now();
  for (Seat& seat : seats_) {
    if (seat.stream == Stream()) continue;
    auto& session = seat.stream.state<Session>();
    if (session.in_flight == 0) {
      seat.stream.close();
      continue;
    }
    if (session.killed) {
      requests_.abandoned += session.in_flight;
    } else if (session.in_trouble) {
      requests_.lost += session.in_flight;
    } else {
      requests_.unanswered += session.in_flight;
      record_waiting(session, now);
    }
    seat.stream.reset();
  }
}

}  // namespace eddy::tools
