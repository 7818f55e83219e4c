#include "plan.h"

namespace eddy::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Sizes of every order of magnitude, up to 2^bits.
uint32_t any_size(sim::World& world, unsigned bits) {
  const uint64_t order = world.draw(bits + 1);
  return static_cast<uint32_t>(world.draw((uint64_t{1} << order) + 1));
}

nanoseconds any_time(sim::World& world, nanoseconds most) {
  return nanoseconds(static_cast<int64_t>(world.draw(static_cast<uint64_t>(most.count()) + 1)));
}

ReactorOptions draw_reactor(sim::World& world, BackendKind backend) {
  ReactorOptions options;
  options.backend = backend;
  options.buffers = {.segment_bytes = size_t{4096} << world.draw(6),
                     .initial_segments = 1 + static_cast<unsigned>(world.draw(4)),
                     .max_segments = 2 + static_cast<unsigned>(world.draw(8))};
  options.receive_quota_bytes = 1024U << world.draw(11);
  if (world.draw(4) == 0) options.zero_copy_bytes = 1 + any_size(world, 13);
  if (world.draw(4) == 0) options.min_wait = microseconds(1 + world.draw(500));
  if (world.draw(8) == 0) options.spin = microseconds(1 + world.draw(20));
  return options;
}

sim::UringLimits draw_limits(sim::World& world) {
  sim::UringLimits limits;
  if (world.draw(3) == 0) {
    limits.most_entries = 1U << world.draw(4);
    limits.most_completion_entries = limits.most_entries << (1 + world.draw(3));
  }
  limits.incremental_buffers = world.draw(4) != 0;
  limits.receive_limit = world.draw(3) != 0;
  limits.min_wait = world.draw(2) != 0;
  limits.registered_rings = world.draw(2) != 0;
  limits.direct_descriptors = world.draw(2) != 0;
  return limits;
}

ConnectionPlan draw_connection(sim::World& world, const Plan& plan, uint32_t id) {
  ConnectionPlan connection;
  connection.id = id;
  connection.size = any_size(world, 17);
  const auto fates = static_cast<uint64_t>(plan.calm ? Fate::kGoesAway : Fate::kCount);
  connection.fate = static_cast<Fate>(world.draw(fates));
  connection.program = static_cast<Program>(world.draw(static_cast<uint64_t>(Program::kCount)));
  // Only the end of its input tells a sink that all has come.
  if (connection.program == Program::kSink && connection.fate == Fate::kReadsAll) {
    connection.fate = Fate::kHalfCloses;
  }
  connection.client_host = world.draw(plan.client_hosts);
  connection.start = any_time(world, milliseconds(200));
  connection.leaves_after = any_time(world, milliseconds(400));
  connection.chunk_most = 1 + any_size(world, 14) + connection.size / 50;
  connection.gap_most = world.draw(2) == 0 ? nanoseconds(0) : any_time(world, milliseconds(5));
  connection.client_pauses = world.draw(4) == 0;
  connection.server_pauses = world.draw(4) == 0;
  connection.server_keeps_slices = world.draw(4) == 0;
  connection.seed = world.draw(UINT64_MAX);
  return connection;
}

}  // namespace

StreamOptions Plan::streams() const {
  StreamOptions options;
  options.high_watermark_bytes = high_watermark_bytes;
  options.low_watermark_bytes = low_watermark_bytes;
  options.idle_timeout = idle_timeout;
  return options;
}

Plan Plan::draw(sim::World& world, BackendKind backend, bool calm) {
  Plan plan;
  plan.calm = calm;
  plan.swarm = world.draw(8) != 0;
  plan.forbid_uring = world.draw(64) == 0 && backend == BackendKind::kUring;
  plan.server_drives = world.draw(3) == 0;
  plan.chaos = any_time(world, seconds(2));
  plan.server_reactor = draw_reactor(world, backend);
  plan.client_reactor = draw_reactor(world, backend);
  if (plan.forbid_uring) plan.server_reactor.backend = BackendKind::kAuto;
  plan.uring = draw_limits(world);
  plan.high_watermark_bytes = 1 + any_size(world, 20);
  plan.low_watermark_bytes = world.draw(plan.high_watermark_bytes + 1);
  if (!calm && world.draw(8) == 0)
    plan.idle_timeout = milliseconds(50) + any_time(world, seconds(5));
  if (world.draw(3) == 0) plan.server.max_connections = 1 + world.draw(8);
  // In a calm world nobody waits so long for a place in the backlog that it gives up.
  plan.listen.backlog = calm ? 128 : 1 + static_cast<int>(world.draw(64));
  plan.listen.accepts_per_turn = 1 + static_cast<uint32_t>(world.draw(64));
  plan.listen.retry_after = milliseconds(1) + any_time(world, milliseconds(50));
  if (!calm && world.draw(6) == 0) plan.server_descriptors = 12 + static_cast<int>(world.draw(16));
  if (!calm && world.draw(8) == 0) plan.client_descriptors = 12 + static_cast<int>(world.draw(16));
  // The least that Linux gives (SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF), and more.
  plan.send_buffer_bytes = 4608 + static_cast<int>(any_size(world, 18));
  plan.receive_buffer_bytes = 2304 + static_cast<int>(any_size(world, 18));
  plan.link.latency = any_time(world, milliseconds(world.draw(2) == 0 ? 1 : 50));
  if (world.draw(2) == 0) plan.link.jitter = any_time(world, milliseconds(10));
  if (world.draw(4) == 0) plan.link.bytes_per_second = 100'000 + world.draw(100'000'000);
  plan.client_hosts = 1 + world.draw(3);
  if (!calm && world.draw(4) == 0) plan.partitions = 1 + static_cast<unsigned>(world.draw(3));
  if (!calm && world.draw(3) == 0) plan.resets = 1 + static_cast<unsigned>(world.draw(8));
  const uint64_t count = world.draw(4) == 0 ? 8 + world.draw(57) : 2 + world.draw(15);
  for (uint32_t id = 0; id < count; ++id) {
    plan.connections.push_back(draw_connection(world, plan, id));
  }
  return plan;
}

}  // namespace eddy::test
