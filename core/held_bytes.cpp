#include <eddy/core/held_bytes.h>

#include <algorithm>
#include <atomic>
#include <new>

namespace eddy {

bool hold_bytes(SlicePool& pool, SliceQueue& queue, size_t count, SliceQueue& held) {
  try {
    for (SliceNode* node = queue.head(); count > 0; node = node->next) {
      const size_t size = std::min(count, node->slice.size());
      held.push(pool, node->slice.subslice(0, size));
      count -= size;
    }
  } catch (const std::bad_alloc&) {
    held.clear(pool);
    return false;
  }
  return true;
}

void leave_to_kernel(SlicePool& pool, SliceQueue& held) {
  // Nobody reads it: it shows whoever looks for leaks that these are none.
  static constinit std::atomic<SliceNode*> left = nullptr;
  while (!held.empty()) {
    auto* node = new SliceNode{.slice = held.pop(pool), .next = left.load()};
    while (!left.compare_exchange_weak(node->next, node)) {
    }
  }
}

}  // namespace eddy
