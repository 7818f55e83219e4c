// A child process on Linux: what stands behind LinuxKernel::spawn.
#pragma once

#include <eddy/core/spawn.h>

namespace eddy {

// Kernel::spawn.
int spawn_on_linux(const SpawnRequest& request, int* process_id);

}  // namespace eddy
