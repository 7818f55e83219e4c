// What the ranks of a run say to each other from its start to its end.
//
// What it is: all ranks report that their connections have settled; then rank 0 measures how each
// one's clock stands to its own, and tells each when to start: the same moment everywhere. At the
// end each hands in what it has found, rank 0 tells all how to add it up, and they do. A rank that
// is told to end early passes that on.
//
// A rank that is gone fails the run for all, within seconds: each second rank 0 and the others
// tell each other that they are there, and who has been silent for kSilence is lost. mpirun tells
// the others sooner, by SIGTERM, which also means that somebody wants the run to end. So at an
// interrupt all ranks call each other, and who does not answer within kAnswer is lost.
//
// Threads: the reactor's, which is the one that joined the ranks.
#pragma once

#include <eddy/core/reactor.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/parcel.h"
#include "load/rank_clock.h"
#include "load/ranks.h"

namespace eddy::load {

class RankSession {
 public:
  static constexpr std::chrono::nanoseconds kSilence = std::chrono::seconds(10);
  // mpirun kills a second after SIGTERM.
  static constexpr std::chrono::nanoseconds kAnswer = std::chrono::milliseconds(500);
  // So long before the agreed start all ranks are told of it.
  static constexpr std::chrono::nanoseconds kNotice = std::chrono::milliseconds(100);

  struct Start {
    TimePoint at;                             // on this rank's clock
    std::chrono::nanoseconds clock_offset{};  // this clock less rank 0's
    std::chrono::nanoseconds uncertainty{};   // of the offset, and so of the start
  };
  struct Failure {
    std::string what;  // one line
    int status = 0;
    bool is_mine_to_tell = false;  // so that one rank tells it
  };
  struct Events {
    std::function<void(const Start&)> start;
    // Another rank was told to end early, or cannot take part.
    std::function<void()> interrupt;
    // On rank 0: what each has handed in, itself the first.
    std::function<void(const std::vector<std::string>&)> handed_in;
    // What rank 0 told.
    std::function<void(std::string_view)> told;
    // This rank's part in the reduction has ended, on rank 0 with its result. Nothing comes after.
    std::function<void()> reduced;
    // The run is void. Nothing comes after.
    std::function<void(const Failure&)> failed;
  };

  // The ranks outlive it. It keeps no reactor running: who waits for its events turns it.
  RankSession(Reactor& reactor, Ranks& ranks, Events events);
  ~RankSession();
  RankSession(const RankSession&) = delete;
  RankSession& operator=(const RankSession&) = delete;

  // --- In this order
  // This rank can start. The digest is of what has to be alike on all.
  void settled(std::string digest);
  void hand_in(std::string found);
  // Rank 0, once all have handed in.
  void tell(const std::string& how);
  // Once told. The numbers stay until `reduced`.
  void reduce(std::span<uint64_t> sums, std::span<int64_t> maxima);

  // At any time: this rank ends early, and so shall the others.
  void interrupt();

 private:
  enum class Kind : uint8_t {
    kAlive,
    kReady,
    kPing,
    kPong,
    kGo,
    kInterrupt,
    kHandIn,
    kTell,
    kVoid,
  };
  enum class Phase : uint8_t { kConnecting, kReady, kRunning, kEnding, kReducing, kOver };
  // What is known of a rank.
  struct Peer {
    TimePoint heard_at;
    bool is_interrupted = false;
    std::optional<std::string> digest;
    std::optional<std::string> found;
    RankClock clock;
  };

  bool is_root() const { return ranks_.rank() == 0; }
  void post(uint32_t to, Kind kind, ParcelWriter content = {});
  void post_to_all(Kind kind, const std::string& content = {});
  void enter(Phase phase);
  void arm();
  void poll();
  void take(const RankMessage& message);
  void answer_ping(ParcelReader& content);
  void take_pong(uint32_t from, ParcelReader& content);
  void take_go(ParcelReader& content);
  void take_interrupt(uint32_t from);
  void compare_digests();
  void ping(uint32_t rank);
  void go();
  void begin(const Start& start);
  void gather();
  void forgive_silence(TimePoint now);
  void look_for_lost();
  void lose(const std::vector<uint32_t>& lost);
  void fail(std::string what, int status, bool is_mine_to_tell);

  Reactor& reactor_;
  Ranks& ranks_;
  const Events events_;
  std::vector<Peer> peers_;  // by rank, this one among them
  Phase phase_ = Phase::kConnecting;
  TimerId timer_;
  TimePoint alive_at_;   // told the others last
  TimePoint polled_at_;  // listened to them last
  std::optional<TimePoint> interrupted_at_;
  bool is_amid_exchange_ = false;  // of clocks: the next message comes at once
  TimePoint asked_;
  unsigned exchanges_ = 0;
};

}  // namespace eddy::load
