// Memory that runs out when the test says so, for programs that are linked with scarce_memory.cpp.
#pragma once

namespace eddy::test {

// While it is true, aligned allocations (align_val_t) fail: of eddy, those are slots and timers.
extern bool memory_is_out;

}  // namespace eddy::test
