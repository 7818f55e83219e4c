#include <eddy/sim/faults.h>

namespace eddy::sim {
namespace {

struct Kind {
  const char* name;
  uint32_t most;  // of its rate in a swarm
};

constexpr Kind kKinds[kFaults] = {
    {"interrupted", 4000},
    {"spurious_readiness", 6000},
    {"events_split", 8000},
    {"short_send", 12000},
    {"small_segments", 30000},
    {"no_memory", 600},
    {"no_descriptors", 1500},
    {"accept_aborted", 6000},
    {"accept_exhausted", 6000},
    {"connect_refused", 4000},
    {"connect_unreachable", 4000},
    {"connect_lost", 1500},
    {"connect_no_port", 3000},
    {"reset", 60},
    {"delayed", 3000},
    {"clogged", 60},
    {"partitioned", 30},
    {"datagram_lost", 10000},
    {"datagram_duplicated", 6000},
    {"datagram_reordered", 10000},
    {"submissions_split", 6000},
    {"enter_busy", 3000},
    {"multishot_ends", 6000},
    {"completion_late", 6000},
    {"completions_reordered", 12000},
    {"cancel_lost", 30000},
    {"cancel_order", 30000},
    {"zero_copy_late", 20000},
    {"zero_copy_copied", 20000},
    {"uring_forbidden", 2000},
    {"wall_clock_jumps", 500},
    {"stall", 60},
};

}  // namespace

const char* to_string(Fault fault) { return kKinds[static_cast<size_t>(fault)].name; }

void Faults::swarm() {
  for (size_t kind = 0; kind < kFaults; ++kind) {
    const bool on = tape_.draw(2) != 0;
    rates_[kind] =
        on ? static_cast<uint32_t>(tape_.draw(kKinds[kind].most) + 1) >> tape_.draw(5) : 0;
  }
}

}  // namespace eddy::sim
