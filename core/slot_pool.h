// The memory of slots.
//
// What it is: chunks of equal places for each size of slot, kept for the reactor's life. A place
// always holds a Slot: a free one holds an empty slot of the next generation, so that a stale name
// or handle finds a generation that differs, never freed memory. Threads: the reactor's alone.
#pragma once

#include <eddy/core/slot.h>
#include <stddef.h>

#include <map>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace eddy {

class SlotPool {
 public:
  SlotPool() = default;
  ~SlotPool();
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  // A T with `extra` bytes behind it, aligned like max_align_t: where they are, `extra_of` tells.
  // nullptr when memory has run out.
  template <typename T, typename... Arguments>
  T* make(size_t extra, Arguments&&... arguments) {
    const size_t size = offset_of_extra<T>() + extra;
    Slot* place = take(size);
    if (place == nullptr) return nullptr;
    const uint32_t generation = place->generation;
    place->~Slot();
    T* slot = new (static_cast<void*>(place)) T(std::forward<Arguments>(arguments)...);
    slot->generation = generation;
    slot->pool_size = static_cast<uint32_t>(size);
    return slot;
  }
  template <typename T>
  static void* extra_of(T* slot) {
    return reinterpret_cast<char*>(slot) + offset_of_extra<T>();
  }
  // Destroys it; handles and names of it are stale from now on.
  void free(Slot& slot);

 private:
  class EmptySlot;
  struct Shelf {
    std::vector<void*> chunks;
    Slot* free = nullptr;  // linked by next_live
    size_t used = 0;
  };
  static constexpr size_t kAlignment = alignof(Slot);
  static constexpr size_t kPlacesPerChunk = 64;

  template <typename T>
  static constexpr size_t offset_of_extra() {
    return (sizeof(T) + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
  }
  static size_t rounded(size_t size) { return (size + kAlignment - 1) & ~(kAlignment - 1); }
  Slot* take(size_t size);
  static void grow(Shelf& shelf, size_t size);

  std::map<size_t, Shelf> shelves_;  // by rounded size
};

}  // namespace eddy
