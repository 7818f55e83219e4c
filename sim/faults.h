// The faults of a simulated world: which there are, how often they strike, and how often they did.
//
// What it is: a rate and a counter for each kind. A world asks at each place where a fault could
// be; `swarm` gives a seed its own mixture, with some kinds off and the others weighted anew, since
// a run with all of them at once never gets far (Groce et al., "Swarm Testing", 2012).
#pragma once

#include <eddy/sim/tape.h>
#include <stddef.h>
#include <stdint.h>

#include <array>

namespace eddy::sim {

enum class Fault : uint8_t {
  // System calls
  kInterrupted,        // EINTR, of a call that waits or moves bytes
  kSpuriousReadiness,  // an event with nothing behind it
  kEventsSplit,        // a wait gives fewer events than there are
  kShortSend,          // a send takes a part of what there is room for
  kSmallSegments,      // bytes arrive in pieces of any size
  kNoMemory,           // ENOMEM or ENOBUFS from set-up calls and zero-copy sends; map_memory fails
  kNoDescriptors,      // EMFILE or ENFILE
  // Accept
  kAcceptAborted,    // ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH: the connection is lost
  kAcceptExhausted,  // EMFILE, ENFILE, ENOBUFS, ENOMEM: it waits
  // Connect
  kConnectRefused,
  kConnectUnreachable,  // ENETUNREACH or EHOSTUNREACH
  kConnectLost,         // no answer ever
  kConnectNoPort,       // EADDRNOTAVAIL
  // The network
  kReset,        // a connection is reset
  kDelayed,      // a segment is late
  kClogged,      // one direction between two hosts stands still for a while
  kPartitioned,  // both do
  kDatagramLost,
  kDatagramDuplicated,
  kDatagramReordered,
  // io_uring
  kSubmissionsSplit,  // enter takes fewer entries than it is given
  kEnterBusy,         // EBUSY or EAGAIN: none
  kMultishotEnds,     // without F_MORE, though nothing is wrong
  kCompletionLate,    // ready, but told later
  kCompletionsReordered,
  kCancelLost,      // the target completes all the same
  kCancelOrder,     // the target's completion comes before the cancellation's
  kZeroCopyLate,    // its notification hangs on
  kZeroCopyCopied,  // the kernel copied after all
  kUringForbidden,  // EPERM or ENOSYS from io_uring_setup
  // Clocks
  kWallClockJumps,
  kStall,  // the host does not run for a while
  kCount,
};
inline constexpr size_t kFaults = static_cast<size_t>(Fault::kCount);
const char* to_string(Fault fault);

class Faults {
 public:
  explicit Faults(Tape& tape) : tape_(tape) {}

  // In 65,536.
  void set(Fault fault, uint32_t rate) { rates_[static_cast<size_t>(fault)] = rate; }
  uint32_t rate(Fault fault) const { return rates_[static_cast<size_t>(fault)]; }
  void clear() { rates_ = {}; }
  // Each kind is off half of the time, else rare or frequent.
  void swarm();

  bool strikes(Fault fault) {
    const auto kind = static_cast<size_t>(fault);
    if (!tape_.chance(rates_[kind])) return false;
    ++counts_[kind];
    return true;
  }
  // What came about without a draw.
  void count(Fault fault) { ++counts_[static_cast<size_t>(fault)]; }
  const std::array<uint64_t, kFaults>& counts() const { return counts_; }

 private:
  Tape& tape_;
  std::array<uint32_t, kFaults> rates_ = {};
  std::array<uint64_t, kFaults> counts_ = {};
};

}  // namespace eddy::sim
