#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/handed_over_internal.h>
#include <eddy/net/pool_server.h>
#include <eddy/net/server.h>
#include <eddy/net/service.h>
#include <eddy/net/succession.h>
#include <errno.h>
#include <signal.h>

#include <optional>
#include <utility>

namespace eddy {
namespace {

constexpr std::chrono::milliseconds kTellAgainAfter(50);

}  // namespace

struct Service::State {
  // A server of either kind.
  struct Member {
    std::string name;
    std::function<std::vector<int>()> sockets;
    std::function<void()> hand_over;  // takes no more; the paths are the successor's
    std::function<void(std::chrono::nanoseconds)> drain;
  };

  State(Reactor& its_reactor, ServiceOptions its_options)
      : reactor(its_reactor),
        options(std::move(its_options)),
        readiness(Readiness::from_environment(its_reactor.kernel())) {}
  ~State() {
    if (!reactor.of_this_process()) return;
    for (Watch& watch : watches) watch.close();
    for (const TimerId timer : timers) reactor.cancel_timer(timer);
  }

  Result<void> begin();
  Result<void> watch_signals();
  void end_by_signal();
  void watch_dog();
  // None of them keeps the reactor running.
  void start_timer(std::chrono::nanoseconds delay, TimerCallback callback,
                   std::chrono::nanoseconds period = {}) {
    timers.push_back(
        reactor.start_timer(delay, std::move(callback), {.period = period, .referenced = false}));
  }
  std::vector<int> claim(std::string_view name);
  Result<void> listen_for_successor();
  Result<void> tell_ready();
  void succeeded();
  void drain();

  Reactor& reactor;
  const ServiceOptions options;
  Readiness readiness;
  std::optional<Error> error;
  std::vector<InheritedDescriptor> inherited;
  std::optional<Address> control;
  std::optional<Predecessor> predecessor;
  std::optional<Succession> succession;
  std::vector<Member> members;
  std::vector<Watch> watches;
  std::vector<TimerId> timers;
  bool is_draining = false;
  bool has_predecessor = false;
  bool has_successor = false;
};

Result<void> Service::State::begin() {
  if (auto watching = watch_signals(); !watching) return watching;
  auto descriptors = take_inherited_descriptors(reactor.kernel());
  if (!descriptors) return std::unexpected(descriptors.error());
  inherited = std::move(*descriptors);
  watch_dog();
  if (options.restart_socket.empty()) return {};
  auto address = Address::parse(options.restart_socket);
  if (!address) return std::unexpected(address.error());
  control = *address;
  auto found = Predecessor::find(reactor.kernel(), *control);
  if (!found) return std::unexpected(found.error());
  predecessor.emplace(std::move(*found));
  has_predecessor = predecessor->is_there();
  return {};
}

Result<void> Service::State::watch_signals() {
  const auto on = [&](int signal_number, InlineFunction<void(int64_t)> callback) -> Result<void> {
    auto watch = reactor.on_signal(signal_number, std::move(callback));
    if (!watch) return std::unexpected(watch.error());
    watch->set_keeps_alive(false);
    watches.push_back(*watch);
    return {};
  };
  for (const int signal_number : {SIGTERM, SIGINT}) {
    if (auto watching = on(signal_number, [this](int64_t) { end_by_signal(); }); !watching) {
      return watching;
    }
  }
  if (!options.on_reload) return {};
  return on(SIGHUP, [this](int64_t) {
    static_cast<void>(readiness.reloading());
    options.on_reload();
    static_cast<void>(readiness.ready());
  });
}

// Both signals count as one: SIGINT and then SIGTERM is a second request.
void Service::State::end_by_signal() { is_draining ? reactor.stop() : drain(); }

void Service::State::watch_dog() {
  const auto interval = readiness.watchdog_interval();
  if (interval.count() == 0) return;
  start_timer(interval, [this] { static_cast<void>(readiness.alive()); }, interval);
}

// The sockets that are there for who wants to listen under that name.
std::vector<int> Service::State::claim(std::string_view name) {
  if (predecessor && predecessor->is_there()) return predecessor->take(name);
  std::vector<int> sockets;
  std::erase_if(inherited, [&](const InheritedDescriptor& one) {
    if (one.kind != InheritedKind::kListener) return false;
    sockets.push_back(one.descriptor);
    return true;
  });
  return sockets;
}

Result<void> Service::State::listen_for_successor() {
  if (!control) return {};
  succession.emplace(reactor, Succession::Events{.sockets =
                                                     [this] {
                                                       std::vector<NamedSocket> all;
                                                       for (const Member& member : members) {
                                                         for (const int socket : member.sockets()) {
                                                           all.push_back({member.name, socket});
                                                         }
                                                       }
                                                       return all;
                                                     },
                                                 .succeeded = [this] { succeeded(); }});
  const int inherited_control = predecessor ? predecessor->take_control() : -1;
  return inherited_control < 0 ? succession->listen(*control)
                               : succession->listen_on(inherited_control);
}

// systemd first: it takes the end of the predecessor for the service's, unless it knows of this
// process.
Result<void> Service::State::tell_ready() {
  const bool follows = predecessor && predecessor->is_there();
  auto told = follows ? readiness.ready_in_its_place() : readiness.ready();
  if (!told && told.error().code() == std::errc::resource_unavailable_try_again) {
    start_timer(kTellAgainAfter, [this] { static_cast<void>(tell_ready()); });
    return {};
  }
  if (predecessor) predecessor->ready();
  predecessor.reset();  // and with it the sockets that nobody wanted
  return told;
}

void Service::State::succeeded() {
  has_successor = true;
  for (const Member& member : members) member.hand_over();
  start_timer(options.serve_on, [this] { drain(); });
}

void Service::State::drain() {
  if (std::exchange(is_draining, true)) return;
  if (!has_successor) static_cast<void>(readiness.stopping());
  if (succession) succession->close();
  for (const Member& member : members) member.drain(options.drain);
  if (options.on_drain) options.on_drain();
}

Service::Service(Reactor& reactor, ServiceOptions options)
    : state_(std::make_unique<State>(reactor, std::move(options))) {
  if (auto begun = state_->begin(); !begun) state_->error = begun.error();
}

Service::~Service() = default;

Result<void> Service::listen(Server& server, std::string_view address,
                             const ListenOptions& options) {
  if (state_->error) return std::unexpected(*state_->error);
  const std::vector<int> sockets = state_->claim(address);
  auto listening = sockets.empty() ? server.listen(address, options)
                                   : server.listen_on(sockets.front(), options);
  // Of a predecessor with more reactors there are more, each with a backlog of its own.
  auto others = std::make_shared<std::vector<std::unique_ptr<Listener>>>();
  for (size_t i = 1; i < sockets.size() && listening; ++i) {
    others->push_back(std::make_unique<Listener>(state_->reactor, [this, &server](int descriptor) {
      HandedOver connection(state_->reactor.kernel(), descriptor);
      if (server.take(descriptor)) connection.release();
    }));
    listening = others->back()->listen_on(sockets[i], options);
  }
  if (!listening) return listening;
  const auto finish_others = [others] {
    for (const auto& other : *others) other->finish();
  };
  state_->members.push_back({.name = std::string(address),
                             .sockets =
                                 [&server, others] {
                                   std::vector<int> all = {server.descriptor()};
                                   for (const auto& other : *others) {
                                     all.push_back(other->descriptor());
                                   }
                                   return all;
                                 },
                             .hand_over =
                                 [&server, finish_others] {
                                   server.keep_path();
                                   server.close();
                                   finish_others();
                                 },
                             .drain =
                                 [&server, finish_others](auto deadline) {
                                   finish_others();
                                   server.drain(deadline);
                                 }});
  return {};
}

Result<void> Service::listen(PoolServer& server, std::string_view address,
                             const ListenOptions& options) {
  if (state_->error) return std::unexpected(*state_->error);
  const std::vector<int> sockets = state_->claim(address);
  auto listening =
      sockets.empty() ? server.listen(address, options) : server.listen_on(sockets, options);
  if (!listening) return listening;
  state_->members.push_back({.name = std::string(address),
                             .sockets = [&server] { return server.sockets(); },
                             .hand_over =
                                 [&server] {
                                   server.keep_path();
                                   server.close();
                                 },
                             .drain = [&server](auto deadline) { server.drain(deadline); }});
  return {};
}

std::vector<InheritedDescriptor> Service::take_inherited() {
  return std::exchange(state_->inherited, {});
}

Result<void> Service::ready() {
  if (state_->error) return std::unexpected(*state_->error);
  if (auto listening = state_->listen_for_successor(); !listening) return listening;
  return state_->tell_ready();
}

bool Service::has_predecessor() const { return state_->has_predecessor; }

bool Service::has_successor() const { return state_->has_successor; }

void Service::drain() { state_->drain(); }

const Readiness& Service::readiness() const { return state_->readiness; }

}  // namespace eddy
