// The order in which the timer wheel fires what is due: by deadline, and then by order of start.
//
// Mostly the list is sorted already: timers started one after the other with one time-out, and
// slots one after the other. Else it is dealt out by the highest six bits in which the deadlines
// differ, and so on in each part: a list walked a few times, without the mispredicted branches of
// comparing.
#include <eddy/core/timer_wheel.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace eddy {

bool TimerWheel::before(Index left, Index right) noexcept {
  const Link& a = link(left);
  const Link& b = link(right);
  return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order;
}

void TimerWheel::append(List& list, Index first, Index last) noexcept {
  if (list.first == kNone) {
    list.first = first;
  } else {
    link(list.last).next = first;
  }
  list.last = last;
  link(last).next = kNone;
}

TimerWheel::List TimerWheel::sort(Index first) noexcept {
  const Link& head = link(first);
  std::uint64_t deadline_bits = 0;
  std::uint64_t order_bits = 0;
  std::size_t count = 1;
  bool sorted = true;
  Index last = first;
  for (Index index = head.next; index != kNone; index = link(index).next) {
    deadline_bits |= static_cast<std::uint64_t>(link(index).deadline ^ head.deadline);
    order_bits |= link(index).order ^ head.order;
    sorted &= before(last, index);
    last = index;
    ++count;
  }
  if (sorted) return {first, last};
  return count <= kFew ? sort_few(first) : sort_by_digit(first, deadline_bits, order_bits);
}

TimerWheel::List TimerWheel::sort_few(Index first) noexcept {
  List sorted;
  for (Index next = kNone; first != kNone; first = next) {
    next = link(first).next;
    if (sorted.first == kNone || before(sorted.last, first)) {
      append(sorted, first, first);
      continue;
    }
    Index* after = &sorted.first;
    while (before(*after, first)) after = &link(*after).next;
    link(first).next = std::exchange(*after, first);
  }
  return sorted;
}

TimerWheel::List TimerWheel::sort_by_digit(Index first, std::uint64_t deadline_bits,
                                           std::uint64_t order_bits) noexcept {
  std::array<List, kDigits> parts;
  const int width = std::bit_width(deadline_bits != 0 ? deadline_bits : order_bits);
  const int shift = std::max(width - static_cast<int>(kDigitBits), 0);
  for (Index next = kNone; first != kNone; first = next) {
    const Link& timer = link(first);
    next = timer.next;
    const auto key = deadline_bits != 0 ? static_cast<std::uint64_t>(timer.deadline) : timer.order;
    append(parts[(key >> shift) % kDigits], first, first);
  }
  List sorted;
  for (const List& part : parts) {
    if (part.first == kNone) continue;
    const List part_sorted = sort(part.first);
    append(sorted, part_sorted.first, part_sorted.last);
  }
  return sorted;
}

}  // namespace eddy
