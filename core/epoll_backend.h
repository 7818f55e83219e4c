// The backend over epoll: tries the call first, waits for readiness only when it would block.
//
// A stream is added once, edge-triggered, for its whole life, so no epoll_ctl stands between two
// requests. Reading TCP stops at a short read (the socket is empty, and the next byte makes a new
// edge) unless the event told of an end, an error or urgent data; anything else is read until it
// would block. Large sends may be zero-copy (core/epoll_zero_copy.h). A stream that is cut short by
// its budget joins a ready list. Listeners and watches are level-triggered. Source: epoll(7),
// "Questions and answers", 9.
#pragma once

#include <eddy/core/backend.h>

#include <memory>

namespace eddy {

// `zero_copy_bytes`: ReactorOptions'. Fails with epoll_create1's error.
Result<std::unique_ptr<Backend>> make_epoll_backend(Turn& turn, uint32_t zero_copy_bytes);

}  // namespace eddy
