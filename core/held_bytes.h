// Bytes that the kernel reads in place: slices that are kept though their queue has gone on.
//
// Both backends' zero-copy sends hold them so, from the send to the kernel's notification.
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/slice_queue.h>
#include <stddef.h>

namespace eddy {

// `held`, which is empty, counts on the first `count` bytes of the queue. False: no memory, and
// nothing is held. Cannot fail for fewer bytes than `held` has just let go of.
bool hold_bytes(SlicePool& pool, SliceQueue& queue, size_t count, SliceQueue& held);

// For bytes that the kernel may read for ever: they are never released, so nobody else gets their
// memory.
void leave_to_kernel(SlicePool& pool, SliceQueue& held);

}  // namespace eddy
