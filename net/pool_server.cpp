#include <eddy/core/kernel.h>
#include <eddy/net/bound_socket_internal.h>
#include <eddy/net/handed_over_internal.h>
#include <eddy/net/move_stream.h>
#include <eddy/net/pool_server.h>
#include <eddy/net/socket_name_internal.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>

namespace eddy {

struct PoolServer::State {
  // The sockets of one call of `listen`.
  struct Group {
    std::vector<int> sockets;
    ListenOptions options;
    BoundPath path;
  };
  // A reactor's connections, and those on their way to it; written by several threads.
  struct alignas(64) Count {
    std::atomic<size_t> connections{0};
  };
  class Part;

  State(ReactorPool& of_pool, MakeStreamOptions make, PoolServerOptions of_server)
      : pool(of_pool),
        kernel(of_pool.kernel()),
        stream_options(std::move(make)),
        options(std::move(of_server)),
        counts(of_pool.size()),
        parts(of_pool.size()) {}

  Result<void> has_reactors() const {
    if (!parts.empty()) return {};
    return std::unexpected<Error>(std::in_place, Errc::kClosed, "PoolServer::listen", "",
                                  "the pool has no reactors");
  }
  bool hands_over() const { return options.accepting != Accepting::kByEach; }
  void close_sockets();
  void close(Group& group);
  unsigned choose();

  ReactorPool& pool;
  Kernel& kernel;
  const MakeStreamOptions stream_options;
  const PoolServerOptions options;
  std::vector<Count> counts;
  std::vector<Part*> parts;  // each is its thread's
  unsigned next = 0;         // in turn: the first reactor's

  mutable std::mutex mutex;
  std::vector<Group> groups;
  bool closed = false;
};

// What the server is in one of the reactors, kept by the pool.
class PoolServer::State::Part {
 public:
  Part(std::shared_ptr<State> state, Reactor& reactor, unsigned index)
      : state_(std::move(state)), reactor_(reactor), index_(index) {
    stream_options_ = std::make_shared<StreamOptions>(state_->stream_options(reactor_, index_));
    server_options_ = state_->options.server;
    server_options_.shared_count = &state_->counts[index_].connections;
    server_options_.on_error = [this](const Error& error) { failed(error); };
    add_server();
    state_->parts[index_] = this;
  }
  ~Part() { state_->parts[index_] = nullptr; }

  Server& home() { return *servers_.front(); }
  const std::vector<std::unique_ptr<Server>>& servers() const { return servers_; }

  // Listens on this reactor's share of the sockets.
  Result<void> open() {
    const std::lock_guard lock(state_->mutex);
    if (state_->closed) return {};
    if (state_->hands_over()) {
      // Connections come by posts, for which the loop has to be there.
      reactor_.ref();
      is_kept_ = true;
      if (index_ != 0) return {};
    }
    for (const Group& group : state_->groups) {
      const size_t reactors = state_->hands_over() ? 1 : state_->parts.size();
      const size_t sockets = group.sockets.size();
      // Where there are fewer sockets than reactors, several have one.
      for (size_t i = index_ % sockets; i < sockets; i += reactors) {
        if (auto listening = listen_on(group.sockets[i], group.options); !listening) {
          return listening;
        }
      }
    }
    return {};
  }

  // `following` comes once no connection is on its way any more.
  void close_acceptors(const std::function<void()>& following) {
    const auto left = std::make_shared<size_t>(acceptors_.size());
    if (*left == 0) return following();
    for (const auto& acceptor : acceptors_) {
      acceptor->finish([left, following] {
        if (--*left == 0) following();
      });
    }
  }
  void close() {
    for (const auto& server : servers_) server->close();
    let_go();
  }
  void drain(std::chrono::nanoseconds deadline) {
    for (const auto& server : servers_) server->drain(deadline);
    let_go();
  }
  void take(HandedOver& connection) {
    if (home().take(connection.get())) connection.release();
  }

 private:
  void add_server() {
    servers_.push_back(
        std::make_unique<Server>(reactor_, SharedStreamOptions(stream_options_), server_options_));
  }

  Result<void> listen_on(int socket, const ListenOptions& listen_options) {
    const int own = reactor_.kernel().duplicate(socket);
    if (own < 0) return failure(own, "fcntl", "fd " + std::to_string(socket));
    Result<void> listening;
    if (state_->hands_over()) {
      acceptors_.push_back(std::make_unique<Listener>(
          reactor_, [this](int descriptor) { hand_over(descriptor); },
          [this](const Error& error) { failed(error); }));
      listening = acceptors_.back()->listen_on(own, listen_options);
    } else {
      if (servers_.back()->local_address()) add_server();
      listening = servers_.back()->listen_on(own, listen_options);
    }
    if (!listening) reactor_.kernel().close(own);
    return listening;
  }

  void hand_over(int descriptor) {
    HandedOver connection(reactor_.kernel(), descriptor);
    const unsigned to = state_->choose();
    if (to == index_) return take(connection);
    auto& count = state_->counts[to].connections;
    count.fetch_add(1, std::memory_order_relaxed);
    const bool posted = state_->pool.post(
        to, [&state = *state_, to, &count, connection = std::move(connection)]() mutable {
          state.parts[to]->take(connection);
          count.fetch_sub(1, std::memory_order_relaxed);
        });
    if (!posted) count.fetch_sub(1, std::memory_order_relaxed);
  }

  void let_go() {
    if (std::exchange(is_kept_, false)) reactor_.unref();
  }

  void failed(const Error& error) {
    if (state_->options.server.on_error) state_->options.server.on_error(error);
    state_->pool.fail(index_, error);
  }

  const std::shared_ptr<State> state_;
  Reactor& reactor_;
  const unsigned index_;
  std::shared_ptr<StreamOptions> stream_options_;
  ServerOptions server_options_;
  std::vector<std::unique_ptr<Server>> servers_;  // one for each listening socket, one at the least
  std::vector<std::unique_ptr<Listener>> acceptors_;
  bool is_kept_ = false;
};

void PoolServer::State::close_sockets() {
  const std::lock_guard lock(mutex);
  closed = true;
  for (Group& group : groups) close(group);
  groups.clear();
}

void PoolServer::State::close(Group& group) {
  group.path.remove(kernel);
  for (const int socket : group.sockets) kernel.close(socket);
}

unsigned PoolServer::State::choose() {
  if (options.accepting == Accepting::kInTurn) return next++ % static_cast<unsigned>(parts.size());
  const auto fewest = std::ranges::min_element(counts, {}, [](const Count& count) {
    return count.connections.load(std::memory_order_relaxed);
  });
  return static_cast<unsigned>(fewest - counts.begin());
}

PoolServer::PoolServer(ReactorPool& pool, MakeStreamOptions stream_options,
                       PoolServerOptions options)
    : state_(std::make_shared<State>(pool, std::move(stream_options), std::move(options))) {
  pool.set_up(
      [state = state_](Reactor& reactor, unsigned index) -> Result<std::unique_ptr<State::Part>> {
        auto part = std::make_unique<State::Part>(state, reactor, index);
        if (auto open = part->open(); !open) return std::unexpected(open.error());
        return part;
      });
}

// The reactors go on with what they have.
PoolServer::~PoolServer() { state_->close_sockets(); }

Result<void> PoolServer::listen(std::string_view address, const ListenOptions& options) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return listen(*parsed, options);
}

Result<void> PoolServer::listen(const Address& address, const ListenOptions& options) {
  if (auto able = state_->has_reactors(); !able) return able;
  Kernel& kernel = state_->kernel;
  const bool each = !state_->hands_over() && address.family() != AF_UNIX;
  State::Group group = {.sockets = {}, .options = options};
  group.options.reuse_port = options.reuse_port || (each && state_->parts.size() > 1);
  Address bound_to = address;
  Result<void> result;
  while (result && group.sockets.size() < (each ? state_->parts.size() : 1)) {
    const auto bound = bind_socket(kernel, bound_to, group.options);
    if (!bound) {
      result = std::unexpected(bound.error());
      break;
    }
    group.sockets.push_back(bound->descriptor);
    group.path = bound->path;
    const int failed = kernel.listen(bound->descriptor, options.backlog);
    if (failed < 0) result = failure(failed, "listen", address.to_string());
    // Port 0 is one free port for all.
    bound_to = socket_name(kernel, bound->descriptor).value_or(address);
  }
  if (result) {
    const std::lock_guard lock(state_->mutex);
    state_->groups.push_back(std::move(group));
  } else {
    state_->close(group);
  }
  return result;
}

Result<void> PoolServer::listen_on(const std::vector<int>& descriptors,
                                   const ListenOptions& options) {
  if (auto able = state_->has_reactors(); !able) return able;
  const std::lock_guard lock(state_->mutex);
  if (!descriptors.empty()) state_->groups.push_back({descriptors, options, {}});
  return {};
}

Result<Address> PoolServer::local_address() const {
  const std::lock_guard lock(state_->mutex);
  if (state_->groups.empty()) return std::unexpected(Error(Errc::kClosed, "local_address"));
  return socket_name(state_->kernel, state_->groups.front().sockets.front());
}

std::vector<int> PoolServer::sockets() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<int> all;
  for (const State::Group& group : state_->groups) {
    all.insert(all.end(), group.sockets.begin(), group.sockets.end());
  }
  return all;
}

void PoolServer::keep_path() {
  const std::lock_guard lock(state_->mutex);
  for (State::Group& group : state_->groups) group.path = {};
}

size_t PoolServer::connections() const {
  size_t all = 0;
  for (const State::Count& count : state_->counts) {
    all += count.connections.load(std::memory_order_relaxed);
  }
  return all;
}

void PoolServer::broadcast(const SharedBytes& bytes) {
  state_->pool.post_all([state = state_, bytes](unsigned index) {
    const Slice slice = bytes.slice();
    for (const auto& server : state->parts[index]->servers()) server->broadcast(slice);
  });
}

void PoolServer::for_each(const std::function<void(Stream&)>& visit) {
  state_->pool.post_all([state = state_, visit](unsigned index) {
    for (const auto& server : state->parts[index]->servers()) server->for_each(visit);
  });
}

void PoolServer::move(const Stream& stream, unsigned to,
                      std::move_only_function<void(Result<Stream>)> arrived) {
  move_to(
      state_->pool, to, stream,
      [state = state_, to](Reactor&, int descriptor, Slice unread) {
        return state->parts[to]->home().take(descriptor, std::move(unread));
      },
      std::move(arrived));
}

void PoolServer::close() {
  state_->close_sockets();
  const auto close_all = [state = state_] {
    state->pool.post_all([state](unsigned index) { state->parts[index]->close(); });
  };
  if (!state_->hands_over()) return close_all();
  state_->pool.post(0,
                    [state = state_, close_all] { state->parts[0]->close_acceptors(close_all); });
}

void PoolServer::drain(std::chrono::nanoseconds deadline) {
  state_->close_sockets();
  const auto drain_all = [state = state_, deadline] {
    state->pool.post_all(
        [state, deadline](unsigned index) { state->parts[index]->drain(deadline); });
  };
  if (!state_->hands_over()) return drain_all();
  state_->pool.post(0,
                    [state = state_, drain_all] { state->parts[0]->close_acceptors(drain_all); });
}

}  // namespace eddy
