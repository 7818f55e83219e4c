// Timers: a hierarchical timing wheel with deadlines in nanoseconds.
//
// What it is: any number of one-shot and repeating timers. The wheel reads no clock and never
// sleeps: its owner (the reactor) asks `next_deadline()`, waits, and calls `expire(now)` with the
// time that the kernel seam gave it.
//
// How: eleven levels of 64 slots, a slot of level n spanning 64^n nanoseconds (after Varghese and
// Lauck, "Hashed and Hierarchical Timing Wheels", 1987). A deadline's place is the highest group of
// six bits in which it differs from the time of the last expiry, so starting and cancelling are
// O(1), and the earliest timer is in the first occupied slot of the lowest occupied level. A timer
// moves down a level only when time enters its slot: at most ten times in its life.
//
// Promises:
// - No timer fires before its deadline. Those due fire in the order of their deadlines, equal ones
// in
//   the order in which they were started or restarted. Nothing depends on addresses or hashes: the
//   same calls give the same order.
// - A timer that was cancelled never fires, not even in the `expire` that found it due.
// - A timer that a callback starts or restarts, at whatever deadline, does not fire in the same
//   `expire`.
// - A repeating timer keeps its phase: periods that have passed whole while the loop stalled are
//   skipped and counted.
//
// Callbacks may start, cancel and restart any timer, their own included, and destroy what they
// captured; they must not call `expire` nor destroy the wheel. A callback is destroyed after its
// timer is out of the wheel, so its captures' destructors may use the wheel too.
//
// Cost: `expire` walks the slots that time has reached since the last one that fired, so a crowd in
// one slot is walked at once when time enters it. It sorts what is due, in time linear in their
// number.
//
// Memory: 80 bytes a timer in blocks of 64 that never move, freed with the wheel; no allocation
// while there are free places, except for callbacks whose closures exceed three pointers
// (InlineFunction).
//
// Threads: none; all calls come from the owner's thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include <eddy/core/inline_function.h>
#include <eddy/core/time.h>

namespace eddy {

using TimerCallback = InlineFunction<void()>;

// Names a timer until it is cancelled or, if one-shot, its callback has returned. After that the id
// is stale: every function answers false (or nothing) to it, even when another timer has taken the
// place.
struct TimerId {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;  // 0: no timer

  explicit operator bool() const noexcept { return generation != 0; }
  bool operator==(const TimerId&) const = default;
};

struct TimerOptions {
  std::chrono::nanoseconds period{0};  // 0: one-shot
  bool referenced = true;              // counts in `referenced()`, and so keeps a loop running
};

class TimerWheel {
 public:
  // now: the present. Timers are placed by their distance from it.
  explicit TimerWheel(TimePoint now) noexcept;
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Starts a timer that fires at the first `expire` at or after `deadline`. An empty id means that
  // memory ran out.
  TimerId start(TimePoint deadline, TimerCallback callback, TimerOptions options = {});

  // Ends a timer. False if the id is stale.
  bool cancel(TimerId id);

  // Sets a new deadline; in a one-shot's own callback it arms the timer again. False if the id is
  // stale. Moving a deadline later, as an idle time-out does at every message, only notes it: a few
  // instructions, no memory but the timer's own.
  bool restart(TimerId id, TimePoint deadline);

  // Whether the timer counts in `referenced()`. False if the id is stale.
  bool ref(TimerId id) { return set_referenced(id, true); }
  bool unref(TimerId id) { return set_referenced(id, false); }

  // The deadline of an armed timer.
  std::optional<TimePoint> deadline(TimerId id) const noexcept;

  // How many periods the repeating timer has skipped. 0 if the id is stale.
  std::uint64_t missed_periods(TimerId id) const noexcept;

  // The earliest deadline, or nothing if no timer is armed. It is exact, unless the earliest of
  // more than 32 neighbours (timers in one slot) was cancelled or moved later since time last
  // entered their slot: then it may be that one's deadline still, which costs the sleeper one
  // needless wake-up, after which it is exact again. Never too late.
  std::optional<TimePoint> next_deadline() {
    if (stale_) find_next();
    if (size_ == 0) return std::nullopt;
    return to_time(next_);
  }

  // Fires all timers whose deadline is at or before `now`; returns how many. A `now` earlier than
  // the last one is no error.
  std::size_t expire(TimePoint now) {
    return to_ticks(now) < next_ ? 0 : expire_due(to_ticks(now));
  }

  // Makes room for this many timers in all. False if memory ran out.
  bool reserve(std::size_t count);

  std::size_t size() const noexcept { return size_; }              // armed timers
  std::size_t referenced() const noexcept { return referenced_; }  // armed and referenced timers
  std::size_t capacity() const noexcept { return blocks_.size() * kBlockSize; }

 private:
  using Ticks = std::int64_t;  // nanoseconds of TimePoint, not negative
  using Index = std::uint32_t;

  static constexpr unsigned kDigitBits = 6;
  static constexpr unsigned kDigits = 1U << kDigitBits;
  static constexpr unsigned kLevels = (63 + kDigitBits - 1) / kDigitBits;
  static constexpr std::uint16_t kDueSlot = kLevels * kDigits;  // found due by the present `expire`
  static constexpr std::uint16_t kNoSlot = kDueSlot + 1;        // not armed
  static constexpr Index kNone = std::numeric_limits<Index>::max();
  static constexpr Ticks kNever = std::numeric_limits<Ticks>::max();
  static constexpr Index kBlockSize = 64;
  static constexpr unsigned kExactScan = 32;
  static constexpr std::size_t kFew = 16;  // as many are sorted by insertion

  // What moving a timer touches, apart from what only firing it touches.
  struct Link {
    Ticks deadline = 0;
    std::uint64_t order = 0;  // of the latest start or restart
    Index next = kNone;       // in the slot's list
    Index previous = kNone;
    std::uint32_t generation = 1;
    std::uint16_t slot = kNoSlot;
    bool referenced = false;
    bool owns_closure = false;  // the callback needs destruction
  };
  struct Action {
    TimerCallback callback;
    Ticks period = 0;
    std::uint64_t missed_periods = 0;
  };
  struct alignas(64) Block {
    std::uint64_t free_places = ~std::uint64_t{0};  // a bit for each
    Index next_open = kNone;                        // the next block with free places
    std::array<Link, kBlockSize> links;
    std::array<Action, kBlockSize> actions;
  };
  struct Slot {
    Ticks earliest = kNever;  // no timer of the slot is due before; exact after a scan
    Index first = kNone;
  };
  struct List {  // linked by `next` alone
    Index first = kNone;
    Index last = kNone;
  };

  static Ticks to_ticks(TimePoint time) noexcept {
    const Ticks ticks = time.time_since_epoch().count();
    return ticks > 0 ? ticks : 0;
  }
  static TimePoint to_time(Ticks ticks) noexcept {
    return TimePoint{std::chrono::nanoseconds{ticks}};
  }

  Link& link(Index index) noexcept {
    return blocks_[index / kBlockSize]->links[index % kBlockSize];
  }
  Action& action(Index index) noexcept {
    return blocks_[index / kBlockSize]->actions[index % kBlockSize];
  }
  const Link* find(TimerId id) const noexcept;
  Link* find(TimerId id) noexcept;

  bool grow();
  Index take_place() noexcept;
  void release(Index index) noexcept;
  bool set_referenced(TimerId id, bool referenced);

  static unsigned level_of(std::uint64_t bits) noexcept;
  static unsigned digit_of(std::uint64_t ticks, unsigned level) noexcept;
  std::uint16_t slot_of(Ticks deadline) const noexcept;
  void arm(Index index) noexcept;
  void disarm(Index index) noexcept;
  void place(Index index) noexcept;
  void unlink(Index index) noexcept;
  std::optional<std::uint16_t> first_occupied_slot() const noexcept;
  bool scan(std::uint16_t slot) noexcept;
  void find_next() noexcept;

  std::size_t expire_due(Ticks now);
  void fire(Index index, Ticks now);
  Index collect_due(Ticks now) noexcept;
  void queue_due(Index due) noexcept;
  bool before(Index left, Index right) noexcept;
  void append(List& list, Index first, Index last) noexcept;
  List sort(Index first) noexcept;
  List sort_few(Index first) noexcept;
  List sort_by_digit(Index first, std::uint64_t deadline_bits, std::uint64_t order_bits) noexcept;

  Ticks next_ = kNever;  // no armed timer is due before
  bool stale_ = false;   // next_ may be too early
  bool expiring_ = false;
  Ticks base_;  // the latest time given to expire; places are relative to it
  std::uint64_t order_ = 0;
  std::size_t size_ = 0;
  std::size_t referenced_ = 0;
  Index open_ = kNone;  // the first block with free places
  std::vector<std::unique_ptr<Block>> blocks_;
  std::array<std::uint64_t, kLevels> occupied_{};  // bit n: slot n of the level has timers
  std::array<Slot, kDueSlot + 1> slots_;
};

}  // namespace eddy
