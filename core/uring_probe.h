// What this kernel's io_uring does, found out by doing it once.
//
// Containers forbid io_uring as a whole (EPERM, ENOSYS) or single operations (EACCES), and version
// numbers lie, so the probe receives a few bytes over a socket pair on a small ring of its own.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/kernel.h>

namespace eddy {

struct UringFeatures {
  bool incremental_buffers = false;  // Linux 6.12
  bool receive_limit = false;        // Linux 6.17: a multishot receive ends after so many bytes
  bool min_wait = false;             // Linux 6.12
};

// What is needed (multishot receive from a provided buffer ring, Linux 6.1) fails with an Error;
// the rest is reported.
Result<UringFeatures> probe_uring(Kernel& kernel);

}  // namespace eddy
