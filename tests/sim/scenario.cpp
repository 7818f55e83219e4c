#include "scenario.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "bystanders.h"
#include "client.h"
#include "datagrams.h"
#include "plan.h"
#include "server.h"

namespace eddy::test {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kMostOperations = 2'000'000;
constexpr const char* kServerAddress = "10.0.0.1";

// What does not break a connection that is otherwise well.
constexpr sim::Fault kHarmless[] = {
    sim::Fault::kInterrupted,    sim::Fault::kSpuriousReadiness, sim::Fault::kEventsSplit,
    sim::Fault::kShortSend,      sim::Fault::kSmallSegments,     sim::Fault::kAcceptExhausted,
    sim::Fault::kDelayed,        sim::Fault::kSubmissionsSplit,  sim::Fault::kEnterBusy,
    sim::Fault::kMultishotEnds,  sim::Fault::kCompletionLate,    sim::Fault::kCompletionsReordered,
    sim::Fault::kCancelLost,     sim::Fault::kCancelOrder,       sim::Fault::kZeroCopyLate,
    sim::Fault::kZeroCopyCopied, sim::Fault::kWallClockJumps,    sim::Fault::kStall,
};

class Scenario {
 public:
  explicit Scenario(const ScenarioOptions& options)
      : options_(options),
        world_(options.tape.empty() ? std::make_unique<sim::World>(options.seed)
                                    : std::make_unique<sim::World>(options.tape)),
        plan_(Plan::draw(*world_, options.backend, options.calm)) {
    world_->print_trace(options.trace);
    world_->limit_events(2 * kMostOperations);  // whatever waits for ever at the end
  }

  ScenarioOutcome run() {
    make_hosts();
    if (start()) {
      chaos();
      heal();
      finish();
    }
    end();
    return outcome();
  }

 private:
  struct Site {  // a host and what runs on it
    sim::Host host;
    std::unique_ptr<Reactor> reactor;
    std::unique_ptr<Bystanders> bystanders;
    size_t idle_slots = 0;
    int idle_descriptors = 0;
  };

  void make_hosts();
  bool start();
  bool start_site(Site& site, const ReactorOptions& options);
  void begin_faults();
  void chaos();
  void strike();
  void heal();
  void finish();
  void check_baseline(Site& site);
  void end();
  ScenarioOutcome outcome();
  bool run_until(const std::function<bool()>& condition, nanoseconds limit);
  bool all_over() const;
  std::string describe_clients() const;

  const ScenarioOptions options_;
  std::unique_ptr<sim::World> world_;
  const Plan plan_;
  Failures failures_;
  std::vector<Site> sites_;  // the server's first
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Datagrams>> datagrams_;
  std::string application_trace_;
};

void Scenario::make_hosts() {
  for (size_t i = 0; i <= plan_.client_hosts; ++i) {
    const std::string address = i == 0 ? kServerAddress : "10.0.0." + std::to_string(10 + i);
    sites_.push_back({world_->host(address), nullptr, nullptr, 0, 0});
    sim::Host& host = sites_.back().host;
    host.set_uring_limits(plan_.uring);
    host.set_socket_buffers(plan_.send_buffer_bytes, plan_.receive_buffer_bytes);
  }
  for (size_t i = 1; i < sites_.size(); ++i) {
    world_->link(sites_[0].host, sites_[i].host, plan_.link);
    world_->link(sites_[i].host, sites_[0].host, plan_.link);
  }
}

bool Scenario::start_site(Site& site, const ReactorOptions& options) {
  const bool forbidden = options.backend == BackendKind::kAuto;
  world_->faults().set(sim::Fault::kUringForbidden, forbidden ? sim::Tape::kCertain : 0);
  site.reactor = std::make_unique<Reactor>(site.host, options);
  if (site.reactor->error()) {
    failures_.add("set-up: " + site.reactor->error()->message());
    return false;
  }
  if (forbidden && site.reactor->backend().kind != BackendKind::kEpoll) {
    failures_.add("set-up: io_uring was forbidden, and used");
  }
  site.idle_slots = site.reactor->stats().slots;
  site.idle_descriptors = site.host.open_descriptors();
  site.bystanders =
      std::make_unique<Bystanders>(*site.reactor, site.host, world_->draw(UINT64_MAX), failures_);
  return true;
}

bool Scenario::start() {
  for (size_t i = 0; i < sites_.size(); ++i) {
    if (!start_site(sites_[i], i == 0 ? plan_.server_reactor : plan_.client_reactor)) return false;
  }
  server_ = std::make_unique<Server>(*sites_[0].reactor, plan_, failures_);
  const auto address = server_->listen(std::string(kServerAddress) + ":80");
  if (!address) {
    failures_.add("listen: " + address.error().message());
    return false;
  }
  for (const ConnectionPlan& connection : plan_.connections) {
    clients_.push_back(std::make_unique<Client>(*sites_[1 + connection.client_host].reactor, plan_,
                                                connection, *address, failures_));
  }
  const int most_copies = plan_.calm ? 1 : 4;  // each way may double it
  for (size_t i = 1; i < sites_.size(); ++i) {
    datagrams_.push_back(std::make_unique<Datagrams>(
        *sites_[0].reactor, std::string(kServerAddress) + ":" + std::to_string(1000 + i),
        *sites_[i].reactor, world_->draw(UINT64_MAX), most_copies, failures_));
  }
  for (size_t i = 0; i < sites_.size(); ++i) {
    sites_[i].host.set_descriptor_limit(i == 0 ? plan_.server_descriptors
                                               : plan_.client_descriptors);
  }
  return true;
}

bool Scenario::run_until(const std::function<bool()>& condition, nanoseconds limit) {
  const auto stop = [&] {
    if (world_->events() > kMostOperations) failures_.add("a loop does not come to rest");
    return failures_.any() || !world_->violation().empty() || condition();
  };
  if (!plan_.server_drives) return world_->run_until(stop, limit);
  const TimePoint deadline = world_->now() + limit;
  while (!stop()) {
    if (world_->now() >= deadline) return false;
    if (auto turned = sites_[0].reactor->run_once(milliseconds(10)); !turned) {
      failures_.add("run_once: " + turned.error().message());
    }
  }
  return true;
}

bool Scenario::all_over() const {
  return std::ranges::all_of(clients_, [](const auto& client) { return client->is_over(); });
}

void Scenario::begin_faults() {
  if (!plan_.swarm) return;
  sim::Faults& faults = world_->faults();
  faults.swarm();
  if (!plan_.calm) return;
  std::array<uint32_t, sim::kFaults> kept = {};
  for (const sim::Fault fault : kHarmless) kept[static_cast<size_t>(fault)] = faults.rate(fault);
  for (size_t i = 0; i < sim::kFaults; ++i) faults.set(static_cast<sim::Fault>(i), kept[i]);
}

// Safety is checked all along; nobody has to get anywhere.
void Scenario::chaos() {
  begin_faults();
  const TimePoint until = world_->now() + plan_.chaos;
  const unsigned strikes = plan_.partitions + plan_.resets;
  for (unsigned i = 0; i < strikes && world_->now() < until; ++i) {
    run_until([] { return false; }, (until - world_->now()) / (strikes - i + 1));
    if (!failures_.any()) strike();
  }
  if (until > world_->now()) run_until([&] { return all_over(); }, until - world_->now());
}

void Scenario::strike() {
  if (world_->draw(4) == 0) {
    world_->jump_wall_clock(seconds(static_cast<int64_t>(world_->draw(2'000'000)) - 1'000'000));
    world_->faults().count(sim::Fault::kWallClockJumps);
  }
  const bool cuts = world_->draw(plan_.partitions + plan_.resets) < plan_.partitions;
  const size_t site = 1 + world_->draw(plan_.client_hosts);
  if (cuts) {
    const bool clogs = world_->draw(2) == 0;
    const sim::Host& server = sites_[0].host;
    const sim::Host& client = sites_[site].host;
    world_->faults().count(clogs ? sim::Fault::kClogged : sim::Fault::kPartitioned);
    if (!clogs) return world_->partition(server, client);
    const bool towards_client = world_->draw(2) == 0;
    return world_->clog(towards_client ? server : client, towards_client ? client : server,
                        milliseconds(world_->draw(800)));
  }
  std::vector<Stream> open;
  server_->for_each([&](Stream& stream) { open.push_back(stream); });
  if (open.empty()) return;
  if (world_->reset(open[world_->draw(open.size())])) world_->faults().count(sim::Fault::kReset);
}

// Everything that was wrong is well: everybody must come to an end within a bound.
void Scenario::heal() {
  world_->heal();
  for (Site& site : sites_) site.host.set_descriptor_limit(1024);
  for (Site& site : sites_) site.bystanders->finish();
  for (const auto& datagrams : datagrams_) datagrams->finish();
  const auto over = [&] {
    return all_over() && (!plan_.calm || server_->closed() == clients_.size());
  };
  if (!run_until(over, hours(2))) {
    failures_.add("not everybody came to an end after everything was well: " + describe_clients() +
                  "\n" + world_->describe());
  }
  if (!plan_.calm || failures_.any()) return;
  for (const auto& client : clients_) {
    if (!client->complete())
      failures_.add("not complete in a calm world: " + client->order().line());
  }
}

std::string Scenario::describe_clients() const {
  std::string text;
  for (const auto& client : clients_) {
    if (!client->is_over()) text += client->describe() + "; ";
  }
  for (const Site& site : sites_) {
    const ReactorStats stats = site.reactor->stats();
    text += "\n  " + site.host.address() + ": " + std::to_string(stats.segments_in_use) +
            " segments in use, " + std::to_string(stats.pinned_bytes) + " bytes pinned, " +
            std::to_string(stats.slots) + " slots, " + std::to_string(stats.counters.parked) +
            " times parked" + (site.reactor->operations().starves() ? ", STARVES" : "");
  }
  return text;
}

void Scenario::finish() {
  if (failures_.any()) return;
  // What broke for the client alone ends for the server with its next byte; there may be none.
  server_->close();
  run_until([&] { return server_->connections() == 0; }, seconds(30));
  server_->for_each([](Stream& stream) { stream.reset(); });
  const auto quiet = [&] {
    return server_->connections() == 0 &&
           std::ranges::all_of(datagrams_, [](const auto& pair) { return pair->is_over(); }) &&
           std::ranges::all_of(sites_, [](const Site& site) { return site.bystanders->is_over(); });
  };
  if (!run_until(quiet, seconds(60))) {
    std::string waits = std::to_string(server_->connections()) + " connections";
    for (const Site& site : sites_) waits += "; " + site.bystanders->waits_for();
    failures_.add("at the end, something never came: " + waits + "\n" + world_->describe());
  }
}

void Scenario::check_baseline(Site& site) {
  const ReactorStats stats = site.reactor->stats();
  const std::string who = site.host.address() + " at rest: ";
  if (stats.slots != site.idle_slots) failures_.add(who + "slots are left");
  if (stats.pinned_bytes != 0) failures_.add(who + "bytes of the buffer ring are pinned");
  if (site.reactor->timers().referenced() != 0) failures_.add(who + "timers are left");
  if (site.reactor->operations().in_flight() != site.idle_slots) {
    failures_.add(who + "operations are under way");
  }
  if (site.host.open_descriptors() > site.idle_descriptors) {
    failures_.add(who + std::to_string(site.host.open_descriptors() - site.idle_descriptors) +
                  " descriptors are left");
  }
}

void Scenario::end() {
  for (const auto& client : clients_) application_trace_ += client->order().line() + '\n';
  if (server_) {
    for (const auto& [id, line] : server_->lines()) application_trace_ += line + '\n';
  }
  server_.reset();
  clients_.clear();
  for (Site& site : sites_) site.bystanders.reset();
  const bool clean = !failures_.any() && world_->violation().empty();
  // What is closed is gone some turns later.
  if (clean) world_->run_for(seconds(5));
  for (Site& site : sites_) {
    if (clean && site.reactor) check_baseline(site);
  }
  for (Site& site : sites_) site.reactor.reset();
  for (Site& site : sites_) {
    if (clean && site.host.open_descriptors() != 0) {
      failures_.add(site.host.address() + ": descriptors outlived the reactor");
    }
  }
  if (!world_->violation().empty()) failures_.add("violation " + world_->violation());
}

ScenarioOutcome Scenario::outcome() {
  ScenarioOutcome outcome;
  outcome.failure = failures_.first();
  outcome.trace_hash = world_->trace_hash();
  outcome.operations = world_->events();
  outcome.application_trace = application_trace_;
  outcome.faults = world_->faults().counts();
  return outcome;
}

}  // namespace

ScenarioOutcome run_scenario(const ScenarioOptions& options) { return Scenario(options).run(); }

}  // namespace eddy::test
