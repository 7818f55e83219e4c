// The kernel seam over Linux itself.
#pragma once

#include <eddy/core/kernel.h>

namespace eddy {

// The one LinuxKernel of the process: it has no state of its own but the table of signals that are
// listened to. Any thread may call it.
Kernel& linux_kernel();

}  // namespace eddy
