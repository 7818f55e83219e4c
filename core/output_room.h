// Room for bytes that the user writes in place.
//
// What it is: the reactor's place for output: `reserve` gives contiguous room, `commit` makes a
// Slice of what was filled. Small writes that follow each other lie side by side and leave as one
// piece. The room is in the buffer ring, or on the heap when the ring is exhausted or too small for
// it. Threads: the reactor's alone.
#pragma once

#include <eddy/core/buffer_ring.h>

#include <new>
#include <span>
#include <string>

namespace eddy {

class OutputRoom {
 public:
  explicit OutputRoom(BufferRing& ring)
      : cursor_(ring), segment_bytes_(ring.options().segment_bytes) {}

  // At least `least` bytes (1 at the least), until the next `reserve`. Empty: no memory.
  std::span<char> reserve(size_t least) {
    if (least <= segment_bytes_) {
      if (const auto room = cursor_.room(least); !room.empty()) {
        on_heap_ = false;
        return room;
      }
    }
    on_heap_ = true;
    try {
      heap_.resize(least);
    } catch (const std::bad_alloc&) {
      heap_.clear();
    }
    return heap_;
  }

  // The first `count` bytes of the room reserved last. Throws std::bad_alloc.
  Slice commit(size_t count) {
    if (!on_heap_) return cursor_.fill(count);
    on_heap_ = false;
    heap_.resize(count);
    return Slice::adopt(std::exchange(heap_, {}));
  }

 private:
  SegmentCursor cursor_;
  const size_t segment_bytes_;
  std::string heap_;
  bool on_heap_ = false;
};

}  // namespace eddy
