#include "load/rank_session.h"

#include <algorithm>
#include <utility>

#include "load/verdict.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;

// Of this session's life, that is: a run does not pay for polling.
constexpr auto kPollEagerly = 1ms;
constexpr auto kPollInterrupted = 10ms;
constexpr auto kPollRunning = 100ms;
constexpr auto kAliveEvery = 1s;
// An exchange of clocks that takes longer waits for the next poll.
constexpr auto kExchangeAtOnce = 5ms;
constexpr unsigned kExchanges = 32;
// As any bad usage.
constexpr int kOtherOptions = 2;

std::string list_of(const std::vector<uint32_t>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ") + std::to_string(ranks[i]);
  }
  return text;
}

}  // namespace

RankSession::RankSession(Reactor& reactor, Ranks& ranks, Events events)
    : reactor_(reactor), ranks_(ranks), events_(std::move(events)), peers_(ranks.size()) {
  alive_at_ = polled_at_ = reactor_.now();
  for (Peer& peer : peers_) peer.heard_at = alive_at_;
  arm();
}

RankSession::~RankSession() { reactor_.cancel_timer(timer_); }

// --- Saying

void RankSession::post(uint32_t to, Kind kind, ParcelWriter content) {
  ranks_.send(to, static_cast<char>(kind) + content.take());
}

void RankSession::post_to_all(Kind kind, const std::string& content) {
  for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    if (rank != ranks_.rank()) ranks_.send(rank, static_cast<char>(kind) + content);
  }
}

void RankSession::settled(std::string digest) {
  if (phase_ != Phase::kConnecting || interrupted_at_) return;
  enter(Phase::kReady);
  if (is_root()) {
    peers_[0].digest = std::move(digest);
    return compare_digests();
  }
  ParcelWriter content;
  content.add(digest);
  post(0, Kind::kReady, std::move(content));
}

void RankSession::interrupt() {
  if (interrupted_at_ || phase_ == Phase::kOver) return;
  interrupted_at_ = reactor_.now();
  post_to_all(Kind::kInterrupt);
  arm();
}

void RankSession::hand_in(std::string found) {
  if (phase_ == Phase::kOver) return;
  // A rank that ends before it has begun: the others need not wait for its start.
  if (phase_ < Phase::kRunning) interrupt();
  enter(Phase::kEnding);
  if (is_root()) {
    peers_[0].found = std::move(found);
    return gather();
  }
  ParcelWriter content;
  content.add(found);
  post(0, Kind::kHandIn, std::move(content));
}

void RankSession::tell(const std::string& how) {
  post_to_all(Kind::kTell, how);
  events_.told(how);
}

void RankSession::reduce(std::span<uint64_t> sums, std::span<int64_t> maxima) {
  if (phase_ == Phase::kOver) return;
  enter(Phase::kReducing);
  ranks_.reduce(sums, maxima);
}

// --- Hearing

void RankSession::enter(Phase phase) {
  phase_ = phase;
  arm();
}

void RankSession::arm() {
  reactor_.cancel_timer(timer_);
  if (phase_ == Phase::kOver) return;
  const bool is_waiting = phase_ != Phase::kConnecting && phase_ != Phase::kRunning;
  const std::chrono::nanoseconds next = is_waiting        ? kPollEagerly
                                        : interrupted_at_ ? kPollInterrupted
                                                          : kPollRunning;
  timer_ = reactor_.start_timer(next, [this] { poll(); }, {.referenced = false});
}

void RankSession::poll() {
  while (phase_ != Phase::kOver) {
    const auto message =
        ranks_.receive(is_amid_exchange_ ? kExchangeAtOnce : std::chrono::nanoseconds(0));
    if (!message) break;
    take(*message);
  }
  if (phase_ == Phase::kOver) return;
  if (phase_ == Phase::kReducing && ranks_.is_reduced()) {
    enter(Phase::kOver);
    return events_.reduced();
  }
  if (ranks_.failure()) return fail(*ranks_.failure(), kRankLost, true);
  const TimePoint now = reactor_.now();
  forgive_silence(now);
  if (now - alive_at_ >= kAliveEvery) {
    alive_at_ = now;
    if (is_root()) {
      post_to_all(Kind::kAlive);
    } else {
      post(0, Kind::kAlive);
    }
  }
  look_for_lost();
  arm();
}

void RankSession::take(const RankMessage& message) {
  if (message.from >= peers_.size() || message.bytes.empty()) return;
  Peer& peer = peers_[message.from];
  peer.heard_at = reactor_.now();
  const std::string_view bytes = std::string_view(message.bytes).substr(1);
  ParcelReader content(bytes);
  switch (static_cast<Kind>(message.bytes.front())) {
    case Kind::kAlive: return;
    case Kind::kReady: content.take(peer.digest.emplace()); return compare_digests();
    case Kind::kPing: return answer_ping(content);
    case Kind::kPong: return take_pong(message.from, content);
    case Kind::kGo: return take_go(content);
    case Kind::kInterrupt: return take_interrupt(message.from);
    case Kind::kHandIn: content.take(peer.found.emplace()); return gather();
    case Kind::kTell: return events_.told(bytes);
    case Kind::kVoid:
      return fail("rank " + std::to_string(message.from) + " has given up", kRankLost, false);
  }
}

void RankSession::take_interrupt(uint32_t from) {
  peers_[from].is_interrupted = true;
  if (interrupted_at_) return;
  interrupt();
  events_.interrupt();
}

// --- The start

void RankSession::compare_digests() {
  if (interrupted_at_ || phase_ != Phase::kReady) return;
  std::vector<uint32_t> others;
  for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    if (!peers_[rank].digest) return;
    if (*peers_[rank].digest != *peers_[0].digest) others.push_back(rank);
  }
  if (!others.empty()) {
    return fail(list_of(others) + " of " + std::to_string(ranks_.size()) +
                    (others.size() == 1 ? " was" : " were") + " started with other options",
                kOtherOptions, true);
  }
  ping(1);
}

void RankSession::ping(uint32_t rank) {
  ParcelWriter content;
  content.add(exchanges_ + 1 < kExchanges);
  asked_ = ranks_.now();
  post(rank, Kind::kPing, std::move(content));
  is_amid_exchange_ = true;
}

void RankSession::answer_ping(ParcelReader& content) {
  ParcelWriter answer;
  answer.add(ranks_.now().time_since_epoch().count());
  post(0, Kind::kPong, std::move(answer));
  content.take(is_amid_exchange_);
}

void RankSession::take_pong(uint32_t from, ParcelReader& content) {
  int64_t theirs = 0;
  content.take(theirs);
  peers_[from].clock.add(asked_, TimePoint(std::chrono::nanoseconds(theirs)), ranks_.now());
  if (interrupted_at_) {
    is_amid_exchange_ = false;
    return;
  }
  if (++exchanges_ < kExchanges) return ping(from);
  exchanges_ = 0;
  is_amid_exchange_ = false;
  if (from + 1 < ranks_.size()) return ping(from + 1);
  go();
}

void RankSession::go() {
  const TimePoint start = ranks_.now() + kNotice;
  for (uint32_t rank = 1; rank < ranks_.size(); ++rank) {
    const RankClock& clock = peers_[rank].clock;
    ParcelWriter content;
    content.add((start + clock.offset()).time_since_epoch().count());
    content.add(clock.offset().count());
    content.add(clock.uncertainty().count());
    post(rank, Kind::kGo, std::move(content));
  }
  begin({.at = start});
}

void RankSession::take_go(ParcelReader& content) {
  int64_t at = 0;
  int64_t offset = 0;
  int64_t uncertainty = 0;
  content.take(at);
  content.take(offset);
  content.take(uncertainty);
  begin({.at = TimePoint(std::chrono::nanoseconds(at)),
         .clock_offset = std::chrono::nanoseconds(offset),
         .uncertainty = std::chrono::nanoseconds(uncertainty)});
}

void RankSession::begin(const Start& start) {
  if (phase_ != Phase::kReady || interrupted_at_) return;
  enter(Phase::kRunning);
  events_.start(start);
}

// --- The end

void RankSession::gather() {
  if (phase_ != Phase::kEnding) return;
  std::vector<std::string> all;
  for (const Peer& peer : peers_) {
    if (!peer.found) return;
    all.push_back(*peer.found);
  }
  events_.handed_in(all);
}

// While this rank was away (stopped, or without a CPU), nobody was silent that it could know of.
void RankSession::forgive_silence(TimePoint now) {
  const auto away = now - std::exchange(polled_at_, now);
  if (away <= kAliveEvery) return;
  for (Peer& peer : peers_) peer.heard_at = std::min(peer.heard_at + away, now);
}

void RankSession::look_for_lost() {
  const TimePoint now = reactor_.now();
  std::vector<uint32_t> lost;
  for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    if (rank == ranks_.rank()) continue;
    const Peer& peer = peers_[rank];
    // Only rank 0 hears of all.
    const bool is_silent = (is_root() || rank == 0) && now - peer.heard_at > kSilence;
    const bool no_answer =
        interrupted_at_ && !peer.is_interrupted && now - *interrupted_at_ > kAnswer;
    if (is_silent || no_answer) lost.push_back(rank);
  }
  if (!lost.empty()) lose(lost);
}

void RankSession::lose(const std::vector<uint32_t>& lost) {
  // The first that is there tells it.
  uint32_t first = 0;
  while (std::ranges::find(lost, first) != lost.end()) ++first;
  fail(list_of(lost) + " of " + std::to_string(ranks_.size()) +
           (lost.size() == 1 ? " was" : " were") + " lost: there is no result",
       kRankLost, first == ranks_.rank());
}

void RankSession::fail(std::string what, int status, bool is_mine_to_tell) {
  // Who is about to end need not be taken for lost.
  if (is_mine_to_tell) post_to_all(Kind::kVoid);
  enter(Phase::kOver);
  events_.failed({.what = std::move(what), .status = status, .is_mine_to_tell = is_mine_to_tell});
}

}  // namespace eddy::load
