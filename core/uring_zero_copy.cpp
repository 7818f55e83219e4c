#include <eddy/core/held_bytes.h>
#include <eddy/core/uring_zero_copy.h>

#include <algorithm>

namespace eddy {

UringZeroCopy::~UringZeroCopy() {
  for (Hold& hold : holds_) leave_to_kernel(pool_, hold.bytes);
}

UringZeroCopy::Hold* UringZeroCopy::take(Slot& slot, SliceQueue& queue, size_t described) {
  try {
    if (free_ == nullptr) free_ = &holds_.emplace_back();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  if (!hold_bytes(pool_, queue, described, free_->bytes)) return nullptr;
  Hold* hold = free_;
  free_ = hold->next_free;
  hold->slot = &slot;
  hold->generation = slot.generation;
  hold->is_sending = true;
  ++held_;
  return hold;
}

const UringZeroCopy::Hold* UringZeroCopy::find(const Slot& slot) const {
  const auto found = std::ranges::find_if(holds_, [&](const Hold& hold) {
    return hold.is_sending && hold.slot == &slot && hold.slot_lives();
  });
  return found == holds_.end() ? nullptr : &*found;
}

void UringZeroCopy::release(Hold& hold) {
  hold.bytes.clear(pool_);
  hold.next_free = free_;
  free_ = &hold;
  --held_;
}

}  // namespace eddy
