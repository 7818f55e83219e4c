// What a reactor counts about itself.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace eddy {

// Counters that only grow, from the reactor's start.
struct Counters {
  uint64_t turns = 0;
  uint64_t system_calls =
      0;  // through the kernel seam by the backend: waiting, entering, reading, writing
  uint64_t completions = 0;  // operations' results handed to slots
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t zero_copy_sends = 0;  // whose bytes the kernel was to read in place
  uint64_t spliced_bytes = 0;    // of these, that never entered user space (splice(2), sendfile(2))
  uint64_t accepted = 0;
  uint64_t accept_failures =
      0;  // connections lost before they were accepted (ECONNABORTED and its like)
  uint64_t accept_pauses = 0;  // a listener waited for descriptors or memory (EMFILE and its like)
  // Of what clients sent to be connected: dropped since a backlog was full. Counted when a listener
  // closes; `Listener::backlog` tells of one that listens.
  uint64_t backlog_drops = 0;
  uint64_t buffer_exhaustions = 0;  // a receive met an empty buffer ring
  uint64_t parked = 0;              // … and had to wait for a segment to come back
  uint64_t relocated_bytes =
      0;  // copied out of the ring, so that small slices held for long do not starve it
  uint64_t copied_bytes = 0;  // copied by `Stream::send` of bytes that are not a Slice
  uint64_t over_limit = 0;    // streams ended for passing their hard limit
};

}  // namespace eddy
