// What one seed tries: the world's knobs and what each connection does. Drawn before anything runs,
// so that both backends get the same plan from the same seed.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/listener.h>
#include <eddy/net/server.h>
#include <eddy/net/stream.h>
#include <eddy/sim/world.h>

#include <chrono>
#include <string>
#include <vector>

namespace eddy::test {

using std::chrono::nanoseconds;

// How a client ends its connection.
enum class Fate : uint8_t {
  kReadsAll,    // closes when everything has come back
  kHalfCloses,  // shuts its own half when it has sent all, and waits for the end
  kGoesAway,    // closes at some time
  kResets,      // resets at some time
  kCount,
};

// What the server does with a connection.
enum class Program : uint8_t {
  kEcho,        // sends back the slices that came
  kEchoCopies,  // sends back copies
  kSink,        // takes all, and answers at the end with as many bytes as it counted, at most 1,000
  kSource,      // sends as many bytes as the client is going to send, on its own
  kCount,
};

struct ConnectionPlan {
  uint32_t id = 0;
  uint32_t size = 0;  // bytes that the client sends, besides its header
  Fate fate = Fate::kReadsAll;
  Program program = Program::kEcho;
  size_t client_host = 0;
  nanoseconds start{0};
  nanoseconds leaves_after{0};  // kGoesAway, kResets
  uint32_t chunk_most = 1;
  nanoseconds gap_most{0};  // between two sends
  bool client_pauses = false;
  bool server_pauses = false;
  bool server_keeps_slices = false;
  uint64_t seed = 0;  // of its own choices
};

struct Plan {
  bool calm = false;  // no fault that breaks a connection: everything comes out the same
  bool swarm = false;
  bool forbid_uring = false;   // the kernel refuses it: a reactor that may choose has epoll
  bool server_drives = false;  // the test runs the server's loop, rather than the world
  nanoseconds chaos{0};        // how long faults strike
  ReactorOptions server_reactor;
  ReactorOptions client_reactor;
  sim::UringLimits uring;
  StreamOptions streams() const;  // without callbacks
  size_t high_watermark_bytes = 0;
  size_t low_watermark_bytes = 0;
  nanoseconds idle_timeout{0};
  ServerOptions server;
  ListenOptions listen;
  int server_descriptors = 1024;
  int client_descriptors = 1024;
  int send_buffer_bytes = 0;
  int receive_buffer_bytes = 0;
  sim::LinkOptions link;
  size_t client_hosts = 1;
  std::vector<ConnectionPlan> connections;
  unsigned partitions = 0;
  unsigned resets = 0;

  static Plan draw(sim::World& world, BackendKind backend, bool calm);
};

}  // namespace eddy::test
