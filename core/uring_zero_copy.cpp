#include <eddy/core/uring_zero_copy.h>

#include <algorithm>

namespace eddy {

UringZeroCopy::~UringZeroCopy() {
  for (Hold& hold : holds_) {
    while (!hold.bytes.empty()) new Slice(hold.bytes.pop(pool_));  // never deleted, see above
  }
}

UringZeroCopy::Hold* UringZeroCopy::take(Slot& slot, SliceQueue& queue, size_t described) {
  try {
    if (free_ == nullptr) free_ = &holds_.emplace_back();
    for (SliceNode* node = queue.head(); described > 0; node = node->next) {
      const size_t size = std::min(described, node->slice.size());
      free_->bytes.push(pool_, node->slice.subslice(0, size));
      described -= size;
    }
  } catch (const std::bad_alloc&) {
    if (free_ != nullptr) free_->bytes.clear(pool_);
    return nullptr;
  }
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
