#include <eddy/core/check.h>
#include <eddy/sim/host_kernel.h>
#include <eddy/sim/name_server.h>
#include <eddy/sim/tcp_socket.h>
#include <eddy/sim/world.h>
#include <errno.h>

#include <cmath>

namespace eddy::sim {
namespace {

using std::chrono::nanoseconds;

// The world of a fuzzer's tape has no seed.
constexpr uint64_t kNoSeed = 0;

}  // namespace

// --- Host

Kernel& Host::kernel() const { return *kernel_; }
const std::string& Host::address() const { return kernel_->name(); }
void Host::raise(int signal_number) const { kernel_->raise(signal_number); }
void Host::stall(nanoseconds time) const {
  Simulation& simulation = kernel_->simulation();
  simulation.stall(*kernel_, Simulation::later(simulation.now_ns(), time.count()));
}
void Host::kill() const { kernel_->kill(); }
void Host::restart() const { kernel_->restart(); }
void Host::set_user(uint32_t user) const { kernel_->user = user; }
void Host::set_descriptor_limit(int limit) const { kernel_->descriptor_limit = limit; }
int Host::open_descriptors() const { return kernel_->open_descriptors(); }
void Host::set_uring_limits(const UringLimits& limits) const { kernel_->uring_limits = limits; }
void Host::set_socket_buffers(int send_bytes, int receive_bytes) const {
  kernel_->send_buffer_bytes = send_bytes;
  kernel_->receive_buffer_bytes = receive_bytes;
}
void Host::write_file(const std::string& path, std::string_view bytes) const {
  kernel_->files.write(path, bytes);
}
std::optional<std::string> Host::read_file(const std::string& path) const {
  const std::string* found = kernel_->files.find(path);
  return found == nullptr ? std::nullopt : std::optional(*found);
}
int Host::pipe(int descriptors[2], int flags) const { return kernel_->pipe(descriptors, flags); }
int Host::duplicate(int fd) const { return kernel_->duplicate(fd); }
void Host::spend(nanoseconds time) const { kernel_->spend(time.count()); }

// --- World

World::World(uint64_t seed) : World(std::make_unique<Simulation>(seed, Tape(seed))) {}

World::World(std::span<const uint8_t> tape)
    : World(std::make_unique<Simulation>(kNoSeed, Tape(tape))) {}

World::World(std::unique_ptr<Simulation> simulation) : simulation_(std::move(simulation)) {}

World::~World() {
  for (const auto& host : hosts_) {
    const std::string rule = "a reactor on " + host->name() + " outlived its world";
    EDDY_REQUIRE_ALWAYS(!simulation_->has_loops(*host), rule.c_str());
  }
}

uint64_t World::seed() const { return simulation_->seed; }
TimePoint World::now() const { return TimePoint(nanoseconds(simulation_->now_ns())); }

void World::fail(Error error) {
  if (error_) return;
  simulation_->impossible = error.message();
  error_ = std::move(error);
}

Host World::host(std::string_view address) {
  Name name;
  const bool parsed = Name::parse_ip(address, name);
  auto host = std::make_unique<HostKernel>(*simulation_, static_cast<int>(hosts_.size()),
                                           std::string(address), name);
  if (!parsed || name.is_any() || name.is_loopback() || name.is_for_many()) {
    fail(Error(Errc::kBadAddress, "World::host", std::string(address),
               "a host has an IPv4 or IPv6 address of its own"));
  }
  if (!simulation_->network->add(*host, name)) {
    fail(Error(errno_code(EADDRINUSE), "World::host", std::string(address),
               "two hosts have this address"));
  }
  hosts_.push_back(std::move(host));
  return Host(hosts_.back().get());
}

// False, and told, if one of them is a host of another world.
bool World::owns(const char* call, const Host& a, const Host& b) {
  for (const Host* host : {&a, &b}) {
    if (&host->kernel_->simulation() == simulation_.get()) continue;
    fail(Error(errno_code(EINVAL), call, host->address(), "it is a host of another world"));
    return false;
  }
  return true;
}

void World::name(std::string_view name, const std::vector<std::string>& addresses,
                 const NameOptions& options) {
  if (options.latency.count() < 0) {
    fail(Error(errno_code(EINVAL), "World::name", std::string(name), "a latency is not negative"));
    return;
  }
  NameServer::Entry entry{.addresses = {},
                          .latency_ns = options.latency.count(),
                          .failure = options.failure,
                          .canonical = options.canonical};
  for (const std::string& text : addresses) {
    if (Name::parse_ip(text, entry.addresses.emplace_back())) continue;
    return fail(
        Error(Errc::kBadAddress, "World::name", text, "a name has IPv4 and IPv6 addresses"));
  }
  simulation_->names->add(name, std::move(entry));
}

void World::link(const Host& from, const Host& to, const LinkOptions& options) {
  if (!owns("World::link", from, to)) return;
  const std::string which = from.address() + " to " + to.address();
  if (options.latency.count() < 0 || options.jitter.count() < 0) {
    fail(Error(errno_code(EINVAL), "World::link", which, "a latency is not negative"));
    return;
  }
  if (std::isnan(options.loss) || options.loss < 0 || options.loss > 1) {
    fail(Error(errno_code(EINVAL), "World::link", which, "a loss is from 0 to 1"));
    return;
  }
  LinkState& link = simulation_->network->link(*from.kernel_, *to.kernel_);
  link.latency_ns = options.latency.count();
  link.jitter_ns = options.jitter.count();
  link.bytes_per_second = options.bytes_per_second;
  link.loss = static_cast<uint32_t>(std::lround(options.loss * Tape::kCertain));
}

void World::partition(const Host& a, const Host& b) {
  if (owns("World::partition", a, b)) simulation_->network->cut(*a.kernel_, *b.kernel_, true);
}

void World::clog(const Host& from, const Host& to, nanoseconds time) {
  if (!owns("World::clog", from, to)) return;
  simulation_->network->clog(*from.kernel_, *to.kernel_,
                             Simulation::later(simulation_->now_ns(), time.count()));
}

void World::heal() {
  simulation_->faults.clear();
  simulation_->network->heal();
}

bool World::reset(const Host& host, int descriptor) { return host.kernel_->reset(descriptor) == 0; }

bool World::reset_on(const Kernel& kernel, int descriptor) {
  for (const auto& host : hosts_) {
    if (host.get() == &kernel) return host->reset(descriptor) == 0;
  }
  return false;
}

void World::jump_wall_clock(nanoseconds by) { simulation_->jump_wall_clock(by.count()); }
Faults& World::faults() { return simulation_->faults; }
uint64_t World::draw(uint64_t bound) { return simulation_->tape.draw(bound); }

void World::run_for(nanoseconds time) {
  if (error_) return;
  simulation_->refresh();
  simulation_->wait(Simulation::later(simulation_->now_ns(), time.count()), [] { return false; });
}

bool World::run_until(const std::function<bool()>& condition, nanoseconds limit) {
  if (error_) return false;
  simulation_->refresh();
  const auto waited =
      simulation_->wait(Simulation::later(simulation_->now_ns(), limit.count()), condition);
  return waited == Simulation::Waited::kReady;
}

void World::limit_events(uint64_t most) { simulation_->most_events = most; }
std::string World::describe() const { return simulation_->describe(); }
uint64_t World::trace_hash() const { return simulation_->trace.hash(); }
uint64_t World::events() const { return simulation_->trace.events(); }
void World::print_trace(FILE* out) { simulation_->trace.print_to(out); }
const std::string& World::violation() const { return simulation_->violations(); }

}  // namespace eddy::sim
