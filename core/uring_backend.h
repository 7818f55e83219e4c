// The backend over io_uring: one `io_uring_enter` a turn hands over what was started and waits for
// completions.
//
// Accept and receive are multishot, receive from a provided buffer ring; sends carry MSG_WAITALL,
// so a completion means that all was taken. A receive that finds the buffer ring empty parks its
// slot until segments come back. A stream that has sent some messages gets a direct descriptor,
// which spares each send the look-up of its file; a short-lived one never pays for that. Pipes and
// terminals are polled and then read and written directly.
#pragma once

#include <eddy/core/backend.h>
#include <eddy/core/uring_probe.h>

#include <memory>

namespace eddy {

struct UringBackendOptions {
  UringFeatures features;
  uint32_t min_wait_us = 0;          // ReactorOptions::min_wait
  uint32_t receive_quota_bytes = 0;  // what one receive may take before it is asked again
  uint32_t zero_copy_bytes = 0;      // sends from this size on are zero-copy; 0 is never
};

// Fails where a ring or its buffers cannot be had.
Result<std::unique_ptr<Backend>> make_uring_backend(Turn& turn, const UringBackendOptions& options);

}  // namespace eddy
