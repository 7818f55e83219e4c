// A test of a server of one's own over a simulated network: a partition, a slow reader and a reset,
// in a moment, and the same again for the same seed. docs/simulation.md walks through it.
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <eddy/net/tcp_server.h>
#include <eddy/sim/world.h>
#include <stdio.h>

#include <string>

namespace {

using namespace std::chrono_literals;

// --- The server under test: sends the time of day's worth of lines to whoever connects, and drops
// who does not keep up for two seconds, or says nothing for ten.

class LineServer {
 public:
  explicit LineServer(eddy::Reactor& reactor) : server_(reactor, options()) {}

  auto listen(std::string_view address) { return server_.listen(address); }
  size_t connections() const { return server_.connections(); }
  void close() { server_.close(); }

 private:
  static eddy::StreamOptions options() {
    eddy::StreamOptions options;
    options.on_data = [](eddy::Stream& client, eddy::Slice request) {
      // "N\n" asks for N lines.
      for (int left = std::atoi(request.str().c_str()); left > 0; --left) {
        client.send(std::string_view("a line of thirty-two characters\n"));
      }
    };
    options.high_watermark_bytes = 64 * 1024;
    options.stall_timeout = 2s;
    options.idle_timeout = 10s;
    return options;
  }

  eddy::TcpServer server_;
};

// --- What the tests share

struct Client {
  eddy::StreamOptions options() {
    eddy::StreamOptions options;
    options.on_data = [this](eddy::Stream&, eddy::Slice bytes) { received += bytes.size(); };
    options.on_close = [this](eddy::Stream&, std::error_code code) {
      closed = true;
      reason = code;
    };
    return options;
  }
  size_t received = 0;
  bool closed = false;
  std::error_code reason;
};

// Two hosts, the server on one and a client on the other.
struct Network {
  explicit Network(uint64_t seed) : world(seed) {
    world.link(here, there, {.latency = 5ms, .jitter = 2ms});
    world.link(there, here, {.latency = 5ms, .jitter = 2ms});
    if (auto listening = server.listen("10.0.0.1:7000"); !listening) {
      eddy::report(listening.error());
    }
  }
  eddy::Stream connect(Client& client) {
    eddy::Connector connector(there_reactor, client.options());
    return *connector.connect("10.0.0.1:7000");
  }

  eddy::sim::World world;
  eddy::sim::Host here = world.host("10.0.0.1");
  eddy::sim::Host there = world.host("10.0.0.2");
  eddy::Reactor reactor{here};
  eddy::Reactor there_reactor{there};
  LineServer server{reactor};
};

int failures = 0;

void expect(bool holds, const char* what, uint64_t seed) {
  if (holds) return;
  printf("FAILED with seed %llu: %s\n", static_cast<unsigned long long>(seed), what);
  ++failures;
}

// --- The tests

// Nothing is lost while the network is away, and what was held back comes when it is there again.
void test_partition(uint64_t seed) {
  Network network(seed);
  Client client;
  eddy::Stream stream = network.connect(client);
  stream.send(std::string_view("100\n"));
  network.world.run_for(6ms);  // the connection stands, the answer is on its way
  network.world.partition(network.here, network.there);
  network.world.run_for(3s);
  network.world.heal();
  expect(network.world.run_until([&] { return client.received == 3200; }, 1min),
         "all lines came after the partition", seed);
}

// Who does not read is dropped after two seconds, and costs no more than the watermark.
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
