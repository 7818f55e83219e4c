// What a child process begins with: the argument of Kernel::spawn.
#pragma once

#include <span>

namespace eddy {

// Descriptor `number` of the child is a copy of `source` of the parent's.
struct ChildDescriptor {
  int number;
  int source;
};

// The strings and the descriptors are the caller's, and stay until the call returns.
struct SpawnRequest {
  const char* program;       // a path, or without a slash a name to be found in PATH
  char* const* arguments;    // the child's argv, null at its end
  char* const* environment;  // null at its end
  int directory = -1;        // a descriptor of the child's working directory; -1: the parent's
  std::span<const ChildDescriptor> descriptors{};  // each number once; nothing else is open
};

}  // namespace eddy
