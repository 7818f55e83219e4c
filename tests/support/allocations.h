// What operator new has given in this program, for programs that are linked with allocations.cpp.
#pragma once

#include <stddef.h>

namespace eddy::test {

struct Allocations {
  size_t count = 0;       // calls of operator new
  size_t live_bytes = 0;  // given and not taken back, with malloc's rounding
};
Allocations allocations() noexcept;

// The n-th call of operator new, from 0, counted in this thread while `arm` is on, fails: it throws
// std::bad_alloc or returns nullptr, as its form has it.
void fail_allocation(size_t n) noexcept;
void arm_allocation_failure(bool on) noexcept;
bool allocation_has_failed() noexcept;  // since fail_allocation

}  // namespace eddy::test
