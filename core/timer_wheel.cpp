#include <eddy/core/canary.h>
#include <eddy/core/timer_wheel.h>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include <eddy/core/check.h>

namespace eddy {
namespace {

std::int64_t add_saturated(std::int64_t ticks, std::int64_t period) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(ticks, period, &sum) ? std::numeric_limits<std::int64_t>::max()
                                                     : sum;
}

}  // namespace

TimerWheel::TimerWheel(TimePoint now) noexcept : base_(to_ticks(now)) {}

TimerWheel::~TimerWheel() {
  EDDY_REQUIRE(!expiring_, "a TimerWheel was destroyed by the callback of one of its timers");
  // While the wheel is whole: the destructors of captures may use it.
  for (Index index = 0; index < capacity(); ++index) {
    if (link(index).owns_closure) cancel({index, link(index).generation});
  }
}

// --- The timers by their ids.

TimerId TimerWheel::start(TimePoint deadline, TimerCallback callback, TimerOptions options) {
  EDDY_REQUIRE(callback, "a timer was started without a callback");
  EDDY_REQUIRE(options.period.count() >= 0, "a timer was started with a negative period");
  if (open_ == kNone && !grow()) return {};
  const Index index = take_place();
  Link& timer = link(index);
  timer.deadline = to_ticks(deadline);
  timer.order = ++order_;
  timer.referenced = options.referenced;
  timer.owns_closure = callback.needs_destruction();
  Action& its = action(index);
  its.callback = std::move(callback);
  its.period = std::max<Ticks>(options.period.count(), 0);
  its.missed_periods = 0;
  arm(index);
  return {index, timer.generation};
}

bool TimerWheel::cancel(TimerId id) {
  Link* timer = find(id);
  if (timer == nullptr) return false;
  if (EDDY_CANARY(kTimerAfterCancel) && timer->slot == kDueSlot) return true;
  if (timer->slot != kNoSlot) disarm(id.index);
  if (timer->owns_closure) {
    const TimerCallback doomed = std::move(action(id.index).callback);
    release(id.index);
  } else {
    release(id.index);
  }
  return true;
}

bool TimerWheel::restart(TimerId id, TimePoint deadline) {
  Link* timer = find(id);
  if (timer == nullptr) return false;
  const Ticks old = std::exchange(timer->deadline, to_ticks(deadline));
  timer->order = ++order_;
  if (timer->slot == kNoSlot) {
    arm(id.index);
  } else if (timer->deadline < old) {
    unlink(id.index);
    place(id.index);
  }
  // Else it stays where it is: whoever comes to its slot reads its deadline, and moves it on.
  stale_ |= old == next_;
  return true;
}

bool TimerWheel::set_referenced(TimerId id, bool referenced) {
  Link* timer = find(id);
  if (timer == nullptr) return false;
  if (timer->slot != kNoSlot) {
    referenced_ -= timer->referenced ? 1 : 0;
    referenced_ += referenced ? 1 : 0;
  }
  timer->referenced = referenced;
  return true;
}

std::optional<TimePoint> TimerWheel::deadline(TimerId id) const noexcept {
  const Link* timer = find(id);
  if (timer == nullptr || timer->slot == kNoSlot) return std::nullopt;
  return to_time(timer->deadline);
}

std::uint64_t TimerWheel::missed_periods(TimerId id) const noexcept {
  if (find(id) == nullptr) return 0;
  return blocks_[id.index / kBlockSize]->actions[id.index % kBlockSize].missed_periods;
}

// --- Places of timers: their storage.

const TimerWheel::Link* TimerWheel::find(TimerId id) const noexcept {
  if (id.index >= capacity()) return nullptr;
  const Link& timer = blocks_[id.index / kBlockSize]->links[id.index % kBlockSize];
  return timer.generation == id.generation ? &timer : nullptr;
}

TimerWheel::Link* TimerWheel::find(TimerId id) noexcept {
  return const_cast<Link*>(std::as_const(*this).find(id));
}

bool TimerWheel::grow() {
  if (blocks_.size() >= kNone / kBlockSize) return false;
  try {
    blocks_.push_back(std::make_unique_for_overwrite<Block>());
  } catch (const std::bad_alloc&) {
    return false;
  }
  blocks_.back()->next_open = std::exchange(open_, static_cast<Index>(blocks_.size() - 1));
  return true;
}

bool TimerWheel::reserve(std::size_t count) {
  while (capacity() < count) {
    if (!grow()) return false;
  }
  return true;
}

// The lowest place of a block: what is started together lies together, in whatever order the places
// became free.
TimerWheel::Index TimerWheel::take_place() noexcept {
  Block& block = *blocks_[open_];
  const Index index = open_ * kBlockSize + static_cast<Index>(std::countr_zero(block.free_places));
  block.free_places &= block.free_places - 1;
  if (block.free_places == 0) open_ = block.next_open;
  return index;
}

void TimerWheel::release(Index index) noexcept {
  Link& timer = link(index);
  if (++timer.generation == 0) timer.generation = 1;
  timer.owns_closure = false;
  Block& block = *blocks_[index / kBlockSize];
  if (block.free_places == 0) block.next_open = std::exchange(open_, index / kBlockSize);
  block.free_places |= std::uint64_t{1} << (index % kBlockSize);
}

// --- The wheel.

void TimerWheel::arm(Index index) noexcept {
  ++size_;
  referenced_ += link(index).referenced ? 1 : 0;
  place(index);
}

void TimerWheel::disarm(Index index) noexcept {
  Link& timer = link(index);
  --size_;
  referenced_ -= timer.referenced ? 1 : 0;
  stale_ |= timer.deadline == next_;
  unlink(index);
  timer.slot = kNoSlot;
}

// The place of the highest digit that has one of these bits.
unsigned TimerWheel::level_of(std::uint64_t bits) noexcept {
  return (63 - static_cast<unsigned>(std::countl_zero(bits | 1))) / kDigitBits;
}

unsigned TimerWheel::digit_of(std::uint64_t ticks, unsigned level) noexcept {
  return static_cast<unsigned>(ticks >> (level * kDigitBits)) % kDigits;
}

std::uint16_t TimerWheel::slot_of(Ticks deadline) const noexcept {
  const Ticks ticks = std::max(deadline, base_);  // what is overdue goes with what is due now
  const unsigned level = level_of(ticks ^ base_);
  return static_cast<std::uint16_t>(level * kDigits + digit_of(ticks, level));
}

void TimerWheel::place(Index index) noexcept {
  Link& timer = link(index);
  timer.slot = slot_of(timer.deadline);
  Slot& slot = slots_[timer.slot];
  timer.next = slot.first;
  timer.previous = kNone;
  if (slot.first == kNone) {
    slot.earliest = timer.deadline;
    occupied_[timer.slot / kDigits] |= std::uint64_t{1} << (timer.slot % kDigits);
  } else {
    slot.earliest = std::min(slot.earliest, timer.deadline);
    link(slot.first).previous = index;
  }
  slot.first = index;
  if (timer.deadline < next_) {
    next_ = timer.deadline;
    stale_ = false;
  }
}

void TimerWheel::unlink(Index index) noexcept {
  const Link& timer = link(index);
  if (timer.next != kNone) link(timer.next).previous = timer.previous;
  if (timer.previous != kNone) {
    link(timer.previous).next = timer.next;
    return;
  }
  slots_[timer.slot].first = timer.next;
  if (timer.next == kNone && timer.slot != kDueSlot) {
    occupied_[timer.slot / kDigits] &= ~(std::uint64_t{1} << (timer.slot % kDigits));
  }
}

std::optional<std::uint16_t> TimerWheel::first_occupied_slot() const noexcept {
  for (unsigned level = 0; level < kLevels; ++level) {
    if (occupied_[level] != 0) {
      const auto digit = static_cast<unsigned>(std::countr_zero(occupied_[level]));
      return static_cast<std::uint16_t>(level * kDigits + digit);
    }
  }
  return std::nullopt;
}

void TimerWheel::find_next() noexcept {
  // In a callback next_ is before all that is still to fire.
  if (slots_[kDueSlot].first != kNone) return;
  auto slot = first_occupied_slot();
  while (slot && !scan(*slot)) slot = first_occupied_slot();
  next_ = slot ? slots_[*slot].earliest : kNever;
  stale_ = false;
}

// Moves the timers of a slot on whose deadlines were moved later, and finds the earliest of the
// others. A crowded slot keeps the bound that it has: walking it at each call would make cancelling
// its earliest timers, one after the other, quadratic. False if the slot is empty now.
bool TimerWheel::scan(std::uint16_t slot) noexcept {
  Ticks earliest = kNever;
  unsigned seen = 0;
  for (Index index = slots_[slot].first; index != kNone;) {
    if (++seen > kExactScan) return true;
    const Link& timer = link(index);
    const Index next = timer.next;
    if (slot_of(timer.deadline) == slot) {
      earliest = std::min(earliest, timer.deadline);
    } else {
      unlink(index);
      place(index);
    }
    index = next;
  }
  slots_[slot].earliest = earliest;
  return slots_[slot].first != kNone;
}

// --- Expiry.

std::size_t TimerWheel::expire_due(Ticks now) {
  EDDY_REQUIRE(!expiring_, "TimerWheel::expire was called by the callback of one of its timers");
  expiring_ = true;
  queue_due(collect_due(now));
  const std::uint64_t last_order = order_;
  std::size_t fired = 0;
  for (Index index = slots_[kDueSlot].first; index != kNone; index = slots_[kDueSlot].first) {
    unlink(index);
    if (link(index).order > last_order) {  // restarted by a callback
      place(index);
      continue;
    }
    fire(index, now);
    ++fired;
  }
  expiring_ = false;
  return fired;
}

void TimerWheel::fire(Index index, Ticks now) {
  Link& timer = link(index);
  Action& its = action(index);
  if (its.period > 0) {
    const Ticks missed = (now - timer.deadline) / its.period;
    its.missed_periods += static_cast<std::uint64_t>(missed);
    timer.deadline = add_saturated(timer.deadline + missed * its.period, its.period);
    timer.order = ++order_;
    place(index);
  } else {
    --size_;
    referenced_ -= timer.referenced ? 1 : 0;
    timer.slot = kNoSlot;
  }
  // The callback runs outside of the timer's place: it may free it, and another timer take it.
  const std::uint32_t generation = timer.generation;
  TimerCallback callback = std::move(its.callback);
  callback();
  if (timer.generation != generation) return;
  if (timer.slot == kNoSlot) {
    release(index);
  } else {
    its.callback = std::move(callback);
  }
}

// Advances the wheel to `now` and takes out what is due, as a list linked by `next` alone. Of the
// slots that time has reached only the last one can hold timers that are not due yet, apart from
// those moved later by restart.
TimerWheel::Index TimerWheel::collect_due(Ticks now) noexcept {
  const Ticks from = std::exchange(base_, std::max(base_, now));
  stale_ = true;
  const unsigned top = level_of(from ^ base_);
  Index due = kNone;
  for (unsigned level = 0; level <= top; ++level) {
    std::uint64_t reached = occupied_[level];
    if (level == top) reached &= ~std::uint64_t{0} >> (kDigits - 1 - digit_of(base_, level));
    occupied_[level] &= ~reached;
    for (; reached != 0; reached &= reached - 1) {
      const unsigned digit = static_cast<unsigned>(std::countr_zero(reached));
      Index index = std::exchange(slots_[level * kDigits + digit].first, kNone);
      while (index != kNone) {
        Link& timer = link(index);
        const Index next = timer.next;
        if (timer.deadline <= now) {
          timer.next = std::exchange(due, index);
        } else {
          place(index);
        }
        index = next;
      }
    }
  }
  return due;
}

void TimerWheel::queue_due(Index due) noexcept {
  if (due == kNone) return;
  due = sort(due).first;
  slots_[kDueSlot].first = due;
  for (Index previous = kNone; due != kNone; due = link(due).next) {
    link(due).previous = std::exchange(previous, due);
    link(due).slot = kDueSlot;
  }
}

}  // namespace eddy
