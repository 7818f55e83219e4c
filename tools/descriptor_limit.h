#pragma once

#include <stddef.h>

namespace eddy::tools {

// Raises the number of descriptors that this process may open to what is allowed without privileges
// (RLIMIT_NOFILE, getrlimit(2)); how many that are. The soft limit is 1024 on most systems for the
// sake of select(2), which nothing here uses.
size_t raise_descriptor_limit();

}  // namespace eddy::tools
