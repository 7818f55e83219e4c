// What the io_uring of a simulated host offers: a kernel's age, and a host's means.
//
// Set before a ring is made; a ring keeps what it was made with.
#pragma once

namespace eddy::sim {

struct UringLimits {
  // The largest queues: with IORING_SETUP_CLAMP a ring gets these, without it -EINVAL.
  unsigned most_entries = 32768;
  unsigned most_completion_entries = 65536;
  bool incremental_buffers = true;  // Linux 6.12: IOU_PBUF_RING_INC
  bool receive_limit = true;        // Linux 6.17: optlen of a multishot receive
  bool min_wait = true;             // Linux 6.12
  bool no_submission_array = true;  // Linux 6.6: IORING_SETUP_NO_SQARRAY
  bool registered_rings = true;     // and even then a ring may find all places taken
  bool direct_descriptors = true;
};

}  // namespace eddy::sim
