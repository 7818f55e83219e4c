// What one turn of the loop works with: shared by the reactor, its backend and the slots, and owned
// by the reactor.
#pragma once

#include <eddy/core/buffer_ring.h>
#include <eddy/core/message_ring.h>
#include <eddy/core/slice_queue.h>
#include <eddy/core/slot.h>
#include <eddy/core/stats.h>

namespace eddy {

class Kernel;

struct Turn {
  Turn(Kernel& kernel_of_turn, BufferRing& ring_of_turn,
       const MessageBufferOptions& message_buffers)
      : kernel(kernel_of_turn), ring(ring_of_turn), messages(kernel_of_turn, message_buffers) {}

  Kernel& kernel;
  BufferRing& ring;
  MessageRing messages;
  SlicePool slices;
  Counters counters;
  DirtyList dirty;             // slots whose flush() comes at the end of this turn
  bool relief_wanted = false;  // the ring was found exhausted: slots are asked to `relocate`
  Slot* flushed_by_backend =
      nullptr;  // the slot whose completions the backend is delivering, if it flushes it itself

  // Asks for one call of slot.flush() in this turn: gathers what is sent by several callbacks into
  // one operation.
  void want_flush(Slot& slot) {
    if (&slot == flushed_by_backend) {
      slot.flush_wanted = true;
    } else {
      dirty.push(slot);
    }
  }
};

}  // namespace eddy
