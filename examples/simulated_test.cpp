// A test of a server of one's own over a simulated network: a partition, a slow reader and a reset,
// in a moment, and the same again for the same seed. docs/simulation.md walks through it.
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <eddy/net/server.h>
#include <eddy/sim/world.h>
#include <stdio.h>
#include <stdlib.h>

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;

// --- The server under test: sends as many lines as it is asked for, and drops who takes none of
// them for two seconds, or says nothing for ten.

class LineServer {
 public:
  explicit LineServer(eddy::Reactor& reactor) : server_(reactor, options()) {}

  auto listen(std::string_view address) { return server_.listen(address); }
  size_t connections() const { return server_.connections(); }
  size_t requests() const { return requests_; }

 private:
  eddy::StreamOptions options() {
    eddy::StreamOptions options;
    options.on_data = [this](eddy::Stream& client, eddy::Slice request) {
      ++requests_;
      // "N\n" asks for N lines.
      for (int left = atoi(request.str().c_str()); left > 0; --left) {
        client.send(std::string_view("a line of thirty-two characters\n"));
      }
    };
    options.stall_timeout = 2s;
    options.idle_timeout = 10s;
    return options;
  }

  size_t requests_ = 0;
  eddy::Server server_;
};

// --- What the tests share

int failures = 0;

void expect(bool holds, const char* what, uint64_t seed) {
  if (holds) return;
  printf("FAILED with seed %llu: %s\n", static_cast<unsigned long long>(seed), what);
  ++failures;
}

struct Client {
  eddy::StreamOptions options() {
    eddy::StreamOptions options;
    options.on_open = [this](eddy::Stream&) { open = true; };
    options.on_data = [this](eddy::Stream&, eddy::Slice bytes) { received += bytes.size(); };
    options.on_close = [this](eddy::Stream&, std::error_code code) {
      closed = true;
      reason = code;
    };
    return options;
  }
  bool open = false;
  size_t received = 0;
  bool closed = false;
  std::error_code reason;
};

// Two hosts, the server on one and a client on the other, 5 to 7 ms away either way.
struct Network {
  explicit Network(uint64_t seed) : world(seed) {
    world.link(here, there, {.latency = 5ms, .jitter = 2ms});
    world.link(there, here, {.latency = 5ms, .jitter = 2ms});
    if (auto listening = server.listen("10.0.0.1:7000"); !listening) {
      exit(eddy::report(listening.error()));
    }
  }
  // A world that is impossible, or a kernel misused, makes a test worth nothing.
  ~Network() {
    expect(!world.error(), "the world is a possible one", world.seed());
    expect(world.violation().empty(), world.violation().c_str(), world.seed());
    expect(!reactor.error() && !there_reactor.error(), "the reactors were set up", world.seed());
  }
  eddy::Stream connect(Client& client) {
    eddy::Connector connector(there_reactor, client.options());
    auto stream = connector.connect("10.0.0.1:7000");
    if (!stream) exit(eddy::report(stream.error()));
    return *stream;
  }

  eddy::sim::World world;
  eddy::sim::Host here = world.host("10.0.0.1");
  eddy::sim::Host there = world.host("10.0.0.2");
  eddy::Reactor reactor{here};
  eddy::Reactor there_reactor{there};
  LineServer server{reactor};
};

// --- The tests

constexpr size_t kAnswerBytes = 3'200'000;  // 100,000 lines: more than the kernels' buffers hold

// While the network is away nothing comes, and nothing is lost: the rest comes when it is back.
void test_partition(uint64_t seed) {
  Network network(seed);
  Client client;
  eddy::Stream stream = network.connect(client);
  stream.send(std::string_view("100000\n"));
  expect(network.world.run_until([&] { return client.open; }, 1s), "the connection stands", seed);
  network.world.run_for(8ms);  // the request has arrived, the answer's beginning is on its way
  expect(network.server.requests() == 1, "the server has the request", seed);
  expect(client.received == 0, "the client has nothing of the answer", seed);
  network.world.partition(network.here, network.there);
  network.world.run_for(10ms);  // what had left arrives
  const size_t received = client.received;
  network.world.run_for(1s);  // less than the server's patience
  expect(client.received == received && received < kAnswerBytes, "nothing passes a partition",
         seed);
  network.world.heal();
  expect(network.world.run_until([&] { return client.received == kAnswerBytes; }, 1min),
         "all lines came after the partition", seed);
}

// Who does not read is dropped after two seconds, and is told when it reads again.
void test_slow_reader(uint64_t seed) {
  Network network(seed);
  Client client;
  eddy::Stream stream = network.connect(client);
  stream.pause();
  stream.send(std::string_view("100000\n"));
  expect(network.world.run_until([&] { return network.server.connections() == 1; }, 1s),
         "the slow reader was accepted", seed);
  expect(network.world.run_until([&] { return network.server.connections() == 0; }, 30s),
         "the slow reader was dropped", seed);
  stream.resume();
  expect(network.world.run_until([&] { return client.closed; }, 30s), "the slow reader was told",
         seed);
}

// A reset ends that connection, and nobody else's.
void test_reset(uint64_t seed) {
  Network network(seed);
  Client lucky;
  Client unlucky;
  eddy::Stream one = network.connect(lucky);
  eddy::Stream other = network.connect(unlucky);
  one.send(std::string_view("10\n"));
  other.send(std::string_view("100000\n"));
  network.world.run_until([&] { return unlucky.received > 0; }, 1s);
  expect(network.world.reset(other), "the connection was reset", seed);
  expect(network.world.run_until([&] { return unlucky.closed; }, 1s), "it is closed", seed);
  expect(unlucky.reason == std::errc::connection_reset, "by a reset", seed);
  expect(network.world.run_until([&] { return lucky.received == 320; }, 5s),
         "the other connection is served", seed);
}

}  // namespace

int main() {
  constexpr uint64_t kSeeds = 50;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    test_partition(seed);
    test_slow_reader(seed);
    test_reset(seed);
  }
  printf("%llu seeds, %d failures\n", static_cast<unsigned long long>(kSeeds), failures);
  return failures == 0 ? 0 : 1;
}
