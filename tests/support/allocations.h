// What operator new has given in this program, for programs that are linked with allocations.cpp.
#pragma once

#include <stddef.h>

namespace eddy::test {

struct Allocations {
  size_t count = 0;       // calls of operator new
  size_t live_bytes = 0;  // given and not taken back, with malloc's rounding
};
Allocations allocations() noexcept;

}  // namespace eddy::test
