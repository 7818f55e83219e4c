// Bugs that are put in on purpose, to see that the simulation finds them (docs/testing.md).
//
// What it is: EDDY_CANARY(kName) is false, and gone, in every build but that of one test program,
// which is compiled with EDDY_CANARIES and chooses one bug at a time.
#pragma once

#include <stdint.h>

namespace eddy {

enum class Canary : uint8_t {
  kNone,
  kBufferReturnedTwice,  // a segment of the ring comes back twice
  kLateCompletion,       // what completes for a closing slot is delivered
  kLostRearm,            // a receive that found no buffer is not tried again
  kHalfCloseDropsData,   // shutdown_write does not wait for the queue
  kTimerAfterCancel,     // a timer that is due fires though another has just cancelled it
  kCount,
};

}  // namespace eddy

#ifdef EDDY_CANARIES
namespace eddy {
extern Canary canary_that_sings;
}
#define EDDY_CANARY(name) (::eddy::canary_that_sings == ::eddy::Canary::name)
#else
#define EDDY_CANARY(name) false
#endif
