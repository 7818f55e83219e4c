// What a reactor does for its buffer ring between turns: relief when it has run dry, and giving
// memory back after a peak.
#include <eddy/core/reactor.h>

#include <algorithm>

namespace eddy {

// The ring ran dry: what has waited long in queues, in small pieces, is copied out of it.
// Now and then, since it looks at every slot; and again for as long as it was not enough, or slow
// readers could keep the ring from everybody else.
void Reactor::relieve_ring() {
  turn_->relief_wanted = false;
  if (timers_.deadline(relief_timer_)) return;
  relocate_queues(false);
  relief_delay_ = std::chrono::milliseconds(1);
  relief_timer_ = timers_.start(turn_time_ + relief_delay_, [this] { relieve_ring_again(); },
                                {.referenced = false});
}

void Reactor::relieve_ring_again() {
  constexpr std::chrono::milliseconds kLongest(16);
  if (!backend_->starves()) return;
  relocate_queues(true);
  relief_delay_ = std::min(2 * relief_delay_, kLongest);
  timers_.restart(relief_timer_, turn_time_ + relief_delay_);
}

void Reactor::relocate_queues(bool all) {
  for (Slot* slot = live_; slot != nullptr; slot = slot->next_live) {
    if (!slot->closing) slot->relocate(all);
  }
}

// After a peak, the ring's memory goes back: not at once, or a peak a turn would pay for its pages
// each time.
void Reactor::trim_ring_later() {
  constexpr std::chrono::seconds kPatience(1);
  if (timers_.deadline(trim_timer_)) return;
  trim_timer_ =
      timers_.start(turn_time_ + kPatience, [this] { ring_->trim(); }, {.referenced = false});
}

}  // namespace eddy
