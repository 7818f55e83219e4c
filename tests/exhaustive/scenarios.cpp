#include "scenarios.h"

#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

namespace eddy::test {
namespace {

using namespace std::chrono_literals;

// --- A server's side

void set_up(Trial& trial) {
  if (trial.make_reactor()) trial.turns(2);
  trial.destroy_reactor();
}

void listens(Trial& trial) {
  trial.stand();
  Server another(trial.reactor(), echo_options());
  const auto listening = trial.eddy([&] { return another.listen("127.0.0.1:0"); });
  trial.tolerate(listening.has_value(), "listen");
  trial.turns(2);
  trial.eddy([&] { another.close(); });
  trial.turns(2);
}

void accepts(Trial& trial) {
  trial.stand();
  trial.echo(trial.connect(), 1);
  trial.echo(trial.connect(), 1);
}

void serves_its_first(Trial& trial) {
  trial.stand_cold();
  const auto listening = trial.eddy([&] { return trial.server().listen("127.0.0.1:0"); });
  trial.tolerate(listening.has_value(), "listen");
  if (listening) trial.echo(trial.connect(), 1'000);
}

void serves_many(Trial& trial) {
  trial.stand();
  std::vector<PatternExchange> exchanges;
  for (int i = 0; i < 80; ++i) exchanges.emplace_back(trial.connect(), 1'000);
  trial.wait_for("all echoes", [&] {
    return std::ranges::count_if(exchanges, [](auto& one) { return one.step(); }) == 80;
  });
  for (const PatternExchange& one : exchanges) {
    if (!one.complete()) trial.lost("one of many");
  }
}

void echoes_small(Trial& trial) {
  trial.stand();
  Peer& client = trial.connect();
  for (int i = 0; i < 20 && client.error == 0 && !client.ended; ++i) trial.echo(client, 64);
}

void echoes_large(Trial& trial) {
  trial.stand();
  trial.echo(trial.connect(), 300'000);
}

void ends_half(Trial& trial) {
  trial.stand();
  Peer& client = trial.connect();
  PatternExchange exchange(client, 10'000);
  exchange.send_step(10'000);
  client.shutdown_write();
  trial.wait_for("the end of input", [&] {
    exchange.step();
    return client.ended || client.error != 0;
  });
  if (!exchange.complete()) trial.lost("a client that had finished sending");
}

StreamOptions options_that_show(Seen& seen) {
  StreamOptions options = echo_options();
  options.on_open = [&seen](Stream& stream) { seen.latest = stream; };
  return options;
}

void pauses_and_resumes(Trial& trial) {
  Stream& latest = trial.seen().latest;
  trial.stand(options_that_show(trial.seen()));
  Peer& client = trial.connect();
  const Stream bystander = latest;
  PatternExchange exchange(client, 5'000);
  exchange.send_step(1'000);
  trial.wait_for("the connection", [&] {
    exchange.step(0);
    return latest != bystander || client.ended || client.error != 0;
  });
  if (latest.is_open()) trial.eddy([&] { latest.pause(); });
  exchange.send_step(1'000);
  trial.turns();
  exchange.send_step(3'000);
  trial.turns();
  if (latest.is_open()) trial.eddy([&] { latest.resume(); });
  trial.wait_for("what was held", [&] { return exchange.step(); });
  if (!exchange.complete()) trial.lost("a client that was paused");
}

void serves_a_slow_reader(Trial& trial) {
  StreamOptions options = echo_options();
  options.high_watermark_bytes = 16 * 1024;
  options.low_watermark_bytes = 4 * 1024;
  options.on_open = [](Stream& stream) {
    const int little = 16 * 1024;
    setsockopt(stream.descriptor(), SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
  };
  trial.stand(std::move(options));
  Peer& client = trial.connect(32 * 1024);
  PatternExchange exchange(client, 200'000);
  for (int i = 0; i < 10; ++i) {  // reads nothing
    exchange.send_step(200'000);
    trial.turns(2);
  }
  trial.wait_for("all of it", [&] { return exchange.step(200'000) || client.send_error != 0; });
  if (!exchange.complete()) trial.lost("a slow reader");
}

void is_reset_by_its_peer(Trial& trial) {
  trial.stand();
  Peer& client = trial.connect();
  trial.echo(client, 100);
  client.send("and no more");
  client.reset();
  trial.wait_for("the close", [&] { return trial.server().connections() <= 1; });
}

void sends_with_done(Trial& trial) {
  size_t& done = trial.seen().done;
  trial.stand({.on_data = [&done](Stream& peer, Slice bytes) {
    peer.send(std::move(bytes), [&done](std::error_code) { ++done; });
  }});
  const size_t before = done;
  Peer& client = trial.connect();
  trial.echo(client, 1'000);
  if (client.error != 0 || client.ended) return;
  trial.wait_for("done", [&] { return done > before; });
}

void copies_and_releases(Trial& trial) {
  int released = 0;
  Stream& latest = trial.seen().latest;
  StreamOptions options = options_that_show(trial.seen());
  options.on_data = [](Stream& peer, Slice bytes) { peer.send(bytes.view()); };
  trial.stand(std::move(options));
  const Stream bystander = latest;
  trial.echo(trial.connect(), 1'000);
  trial.turns(2);
  if (latest == bystander || !latest.is_open()) return;
  trial.eddy([&] {
    latest.release([&released](int fd) {
      ++released;
      close(fd);
    });
  });
  trial.wait_for("the release", [&] { return trial.server().connections() <= 1; });
  trial.tolerate(released == 1, "release");
}

void drains(Trial& trial) {
  trial.stand();
  Peer& client = trial.connect();
  trial.echo(client, 100);
  trial.forget_bystander();
  trial.eddy([&] { trial.server().drain(10s); });
  trial.wait_for("the end of the drain", [&] { return trial.server().connections() == 0; });
}

// --- A client's side

// What became of a connection that a Connector makes, and its options.
struct Outcome {
  bool closed = false;
  std::error_code code;
  size_t received = 0;

  StreamOptions options() {
    return {.on_open = [](Stream& peer) { peer.send("ping"); },
            .on_data = [this](Stream&, Slice bytes) { received += bytes.size(); },
            .on_close =
                [this](Stream&, std::error_code reason) {
                  closed = true;
                  code = reason;
                }};
  }
};

void connects(Trial& trial) {
  trial.stand();
  Outcome outcome;
  Connector connector(trial.reactor(), outcome.options());
  const Address address = trial.server().local_address().value_or(Address());
  auto stream = trial.eddy([&] { return connector.connect(address); });
  trial.tolerate(stream.has_value(), "connect");
  if (!stream) return;
  trial.wait_for("the answer", [&] { return outcome.received == 4 || outcome.closed; });
  if (outcome.received != 4) trial.lost("a connection that was made");
  if (stream->is_open()) trial.eddy([&] { stream->close(); });
  trial.wait_for("the close", [&] { return outcome.closed; });
}

void is_refused(Trial& trial) {
  trial.stand();
  const Descriptor bound(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Address any = *Address::parse("127.0.0.1:0");
  sockaddr_in name = {};
  socklen_t length = sizeof name;
  (void)bind(bound.get(), any.data(), any.size());
  getsockname(bound.get(), reinterpret_cast<sockaddr*>(&name), &length);
  Outcome outcome;
  Connector connector(trial.reactor(), outcome.options());
  const Address address = any.with_port(ntohs(name.sin_port));
  const auto stream = trial.eddy([&] { return connector.connect(address); });
  trial.tolerate(stream.has_value(), "connect");
  if (!stream) return;
  trial.wait_for("the refusal", [&] { return outcome.closed; });
  trial.tolerate(outcome.code == std::errc::connection_refused, "being refused");
}

// A listener whose backlog is full answers nothing.
class FullListener {
 public:
  FullListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const Address any = *Address::parse("127.0.0.1:0");
    sockaddr_in name = {};
    socklen_t length = sizeof name;
    (void)::bind(socket_.get(), any.data(), any.size());
    ::listen(socket_.get(), 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&name), &length);
    address = any.with_port(ntohs(name.sin_port));
    for (Descriptor& one : filling_) {
      one.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)::connect(one.get(), address.data(), address.size());
    }
  }
  Address address;

 private:
  Descriptor socket_;
  std::array<Descriptor, 3> filling_;
};

void gives_connects_up(Trial& trial) {
  trial.stand();
  const FullListener listener;
  Outcome late;
  Outcome cancelled;
  Connector impatient(trial.reactor(), late.options(), {.timeout = 2ms});
  Connector patient(trial.reactor(), cancelled.options(), {.timeout = 10s});
  const auto first = trial.eddy([&] { return impatient.connect(listener.address); });
  auto second = trial.eddy([&] { return patient.connect(listener.address); });
  trial.tolerate(first.has_value() && second.has_value(), "connect");
  trial.turns(2);
  if (second && second->is_open()) trial.eddy([&] { second->reset(); });
  trial.wait_for("the end of both",
                 [&] { return (late.closed || !first) && (cancelled.closed || !second); });
}

// --- Without connections

void runs_timers(Trial& trial) {
  trial.stand();
  constexpr size_t kTimers = 200;
  std::array<TimerId, kTimers> ids;
  size_t fired = 0;
  size_t started = 0;
  size_t cancelled = 0;
  for (size_t i = 0; i < kTimers; ++i) {
    ids[i] = trial.eddy([&] {
      return trial.reactor().start_timer(std::chrono::microseconds(10 * i), [&] { ++fired; });
    });
    started += ids[i] ? 1 : 0;
  }
  for (size_t i = 0; i < kTimers; i += 3) {
    cancelled += trial.eddy([&] { return trial.reactor().cancel_timer(ids[i]); }) ? 1 : 0;
  }
  trial.tolerate(started == kTimers, "start_timer");
  trial.wait_for("the timers", [&] { return fired + cancelled == started; });
}

void runs_posts(Trial& trial) {
  trial.stand();
  size_t posted = 0;
  size_t run = 0;
  const std::array<size_t, 16> much = {1};
  for (int i = 0; i < 50; ++i) {
    posted += trial.eddy([&] { return trial.reactor().post([&run] { ++run; }); }) ? 1 : 0;
    posted +=
        trial.eddy([&] { return trial.reactor().post([&run, much] { run += much[0]; }); }) ? 1 : 0;
    posted += trial.eddy([&] { return trial.reactor().defer([&run] { ++run; }); }) ? 1 : 0;
  }
  trial.tolerate(posted == 150, "post");
  trial.wait_for("what was posted", [&] { return run == posted; });
}

void watches(Trial& trial) {
  trial.stand();
  const Descriptor counter(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int told = 0;
  auto watch = trial.eddy([&] {
    return trial.reactor().watch(counter.get(), Interest::kReadable, [&](Interest) {
      ++told;
      uint64_t count = 0;
      (void)!read(counter.get(), &count, sizeof count);
    });
  });
  trial.tolerate(watch.has_value(), "watch");
  if (!watch) return;
  for (int i = 1; i <= 3; ++i) {
    const uint64_t one = 1;
    (void)!write(counter.get(), &one, sizeof one);
    trial.wait_for("readiness", [&] { return told == i; });
  }
  trial.eddy([&] { watch->close(); });
  trial.turns(2);
}

void counts_signals(Trial& trial) {
  trial.stand();
  int64_t seen = 0;
  auto watch = trial.eddy(
      [&] { return trial.reactor().on_signal(SIGUSR2, [&](int64_t count) { seen += count; }); });
  trial.tolerate(watch.has_value(), "on_signal");
  if (!watch) return;
  raise(SIGUSR2);
  trial.wait_for("the signal", [&] { return seen == 1; });
  trial.eddy([&] { watch->close(); });
  trial.turns(2);
}

void adopts_a_pipe(Trial& trial) {
  trial.stand();
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return trial.tolerate(false, "pipe2");
  Outcome reading;
  Outcome writing;
  auto adopt_end = [&](int fd, Outcome& outcome) {
    auto options = std::make_shared<StreamOptions>(outcome.options());
    options->on_open = {};
    auto stream = trial.eddy([&] { return adopt(trial.reactor(), fd, options); });
    trial.tolerate(stream.has_value(), "adopt");
    if (!stream) close(fd);
    outcome.closed = !stream;
    return stream.value_or(Stream());
  };
  adopt_end(ends[0], reading);
  Stream write_end = adopt_end(ends[1], writing);
  trial.turns(2);
  const std::string bytes = pattern(100'000);
  if (write_end.is_open()) trial.eddy([&] { write_end.send(bytes); });
  if (write_end.is_open()) trial.eddy([&] { write_end.close(); });
  trial.wait_for("both ends' close", [&] { return reading.closed && writing.closed; });
  if (reading.received != bytes.size()) trial.lost("a pipe");
}

// --- The end

void is_destroyed_with_things_open(Trial& trial) {
  Stream& latest = trial.seen().latest;
  trial.stand(options_that_show(trial.seen()));
  const FullListener listener;
  const Descriptor counter(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  Outcome outcome;
  Connector connector(trial.reactor(), outcome.options());
  trial.echo(trial.connect(), 1'000);
  trial.eddy([&] {
    (void)trial.reactor().start_timer(1s, [] {});
    (void)trial.reactor().post([] {});
    (void)trial.reactor().watch(counter.get(), Interest::kReadable, [](Interest) {});
    (void)connector.connect(listener.address);
  });
  const Slice much = Slice::copy_of(pattern(1'000'000));
  for (int i = 0; i < 10 && latest.is_open(); ++i) trial.eddy([&] { latest.send(much); });
  trial.turns(2);
  trial.destroy_reactor();
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      {"SetUp", set_up},
      {"Listen", listens},
      {"Accept", accepts},
      {"TheFirst", serves_its_first},
      {"Many", serves_many, true},
      {"EchoSmall", echoes_small},
      {"EchoLarge", echoes_large},
      {"HalfClose", ends_half},
      {"PauseAndResume", pauses_and_resumes},
      {"SlowReader", serves_a_slow_reader},
      {"ResetByPeer", is_reset_by_its_peer},
      {"SendWithDone", sends_with_done},
      {"CopyAndRelease", copies_and_releases},
      {"Drain", drains},
      {"Connect", connects},
      {"ConnectRefused", is_refused},
      {"ConnectGivenUp", gives_connects_up},
      {"Timers", runs_timers},
      {"Post", runs_posts},
      {"Watch", watches},
      {"Signal", counts_signals},
      {"AdoptAPipe", adopts_a_pipe},
      {"DestroyedWithThingsOpen", is_destroyed_with_things_open},
  };
  return all;
}

}  // namespace eddy::test
