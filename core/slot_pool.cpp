#include <eddy/core/check.h>
#include <eddy/core/slot_pool.h>

namespace eddy {

class SlotPool::EmptySlot final : public Slot {
 public:
  EmptySlot(uint32_t generation_of_next, Slot* next) {
    generation = generation_of_next;
    next_live = next;
    closing = true;  // whatever still comes for this place is dropped
  }
};

SlotPool::~SlotPool() {
  for (auto& [size, shelf] : shelves_) {
    EDDY_INVARIANT(shelf.used == 0, "a slot outlives its reactor");
    for (void* chunk : shelf.chunks) ::operator delete(chunk, std::align_val_t{kAlignment});
  }
}

Slot* SlotPool::take(size_t size) {
  // What cannot be had costs one connection, not the loop.
  try {
    Shelf& shelf = shelves_[rounded(size)];
    if (shelf.free == nullptr) grow(shelf, rounded(size));
    Slot* slot = shelf.free;
    shelf.free = slot->next_live;
    ++shelf.used;
    return slot;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void SlotPool::grow(Shelf& shelf, size_t size) {
  shelf.chunks.reserve(shelf.chunks.size() + 1);  // or the chunk would be lost if this failed
  void* chunk = ::operator new(size * kPlacesPerChunk, std::align_val_t{kAlignment});
  shelf.chunks.push_back(chunk);
  for (size_t i = kPlacesPerChunk; i-- > 0;) {  // the first place on top
    shelf.free = new (static_cast<char*>(chunk) + i * size) EmptySlot(1, shelf.free);
  }
}

void SlotPool::free(Slot& slot) {
  Shelf& shelf = shelves_[rounded(slot.pool_size)];
  const uint32_t next_generation = slot.generation + 1;
  slot.~Slot();
  shelf.free = new (static_cast<void*>(&slot)) EmptySlot(next_generation, shelf.free);
  --shelf.used;
}

}  // namespace eddy
