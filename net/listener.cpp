#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/bound_socket_internal.h>
#include <eddy/net/listener.h>
#include <eddy/net/socket_name_internal.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <expected>
#include <string>

namespace eddy {
namespace {

// Errors of the connection that was to be accepted, not of the listener (accept(2), "Error
// handling").
bool lost_before_accept(int error) {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    default: return false;
  }
}

bool out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void set_flag(Kernel& kernel, int fd, int level, int name, bool value) {
  const int number = value ? 1 : 0;
  kernel.setsockopt(fd, level, name, &number, sizeof number);
}

// What a full backlog has dropped, or the negative errno that SO_MEMINFO met.
std::expected<uint32_t, int> drops_of(Kernel& kernel, int fd) {
  std::array<uint32_t, SK_MEMINFO_VARS> memory = {};
  socklen_t length = sizeof memory;
  const int failed = kernel.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory.data(), &length);
  if (failed < 0) return std::unexpected(failed);
  return memory[SK_MEMINFO_DROPS];
}

}  // namespace

class ListenerSlot final : public Slot {
 public:
  ListenerSlot(Reactor& reactor, Listener& listener, const ListenOptions& options)
      : reactor_(reactor),
        listener_(&listener),
        callbacks_(listener.callbacks_),
        backlog_(static_cast<size_t>(std::max(options.backlog, 1))),
        retry_after_(options.retry_after) {
    role = SlotRole::kListener;
    accepts_per_turn = std::max(options.accepts_per_turn, 1U);
    accepts_singly = listener.room_ <= backlog_;
  }

  void on_accept(int result) override;
  void on_closed() override {
    leave();
    if (finished_) finished_();
    reactor_.retire(*this);
  }
  void abandon() override {
    leave();
    finished_ = {};
    end();
  }
  void end() {
    if (closing) return;
    if (is_tcp) {
      reactor_.turn().counters.backlog_drops += drops_of(reactor_.kernel(), fd).value_or(0);
    }
    path.remove(reactor_.kernel());
    reactor_.cancel_timer(timer_);
    reactor_.disclaim(fd);
    reactor_.operations().close(*this);
  }
  // Once nothing of it is under way, it ends. The Listener knows of it until then.
  void finish(InlineFunction<void()> finished) {
    if (finished) finished_ = std::move(finished);
    if (std::exchange(finishing_, true)) return;
    if (reactor_.operations().finish_accepting(*this)) end();
  }
  bool is_finishing() const { return finishing_; }
  void update() {
    if (finishing_) return;
    if (!paused_ && !exhausted_) {
      reactor_.operations().accept(*this);
    } else {
      reactor_.operations().stop_accepting(*this);
    }
  }
  void set_paused(bool paused) {
    if (paused_ == paused) return;
    paused_ = paused;
    update();
  }
  void set_room(size_t connections) {
    const bool singly = connections <= backlog_;  // all of it may come at once
    if (accepts_singly == singly) return;
    accepts_singly = singly;
    if (paused_ || exhausted_ || finishing_) return;
    reactor_.operations().stop_accepting(*this);  // what is under way is of the other kind
    reactor_.operations().accept(*this);
  }

  BoundPath path;

 private:
  void leave() {
    if (listener_ != nullptr) std::exchange(listener_, nullptr)->slot_ = nullptr;
  }

  Reactor& reactor_;
  Listener* listener_;
  const std::shared_ptr<Listener::Callbacks> callbacks_;
  const size_t backlog_;
  const std::chrono::nanoseconds retry_after_;
  bool paused_ = false;
  bool exhausted_ = false;
  bool finishing_ = false;
  InlineFunction<void()> finished_;
  TimerId timer_{};
};

void ListenerSlot::on_accept(int result) {
  Counters& counters = reactor_.turn().counters;
  if (result >= 0) {
    ++counters.accepted;
    return callbacks_->on_accept(result);
  }
  if (finishing_) {
    if (result == -ECANCELED) end();
  } else if (lost_before_accept(-result)) {
    ++counters.accept_failures;
  } else if (out_of_resources(-result)) {
    ++counters.accept_pauses;
    if (exhausted_) return;
    exhausted_ = true;
    update();
    timer_ = reactor_.start_timer(retry_after_, [this] {
      exhausted_ = false;
      update();
    });
    if (timer_) return;
    exhausted_ = false;  // not even that: it tries again at once
    update();
  } else {
    leave();
    end();
    if (callbacks_->on_error) callbacks_->on_error(Error(errno_code(-result), "accept4"));
  }
}

Listener::Listener(Reactor& reactor, OnAccept on_accept, OnError on_error)
    : reactor_(reactor),
      callbacks_(std::make_shared<Callbacks>(std::move(on_accept), std::move(on_error))) {}

Listener::~Listener() {
  // Without a slot, the reactor may be gone.
  if (slot_ != nullptr && reactor_.of_this_process()) close();
}

Result<BoundSocket> bind_socket(Kernel& kernel, const Address& address,
                                const ListenOptions& options) {
  const int type = options.seqpacket ? SOCK_SEQPACKET : SOCK_STREAM;
  const int protocol = options.multipath && address.family() != AF_UNIX ? IPPROTO_MPTCP : 0;
  const int fd = kernel.socket(address.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return failure(fd, "socket", address.to_string());
  if (address.family() != AF_UNIX) {
    set_flag(kernel, fd, SOL_SOCKET, SO_REUSEADDR, options.reuse_address);
    set_flag(kernel, fd, SOL_SOCKET, SO_REUSEPORT, options.reuse_port);
  }
  if (address.family() == AF_INET6) {
    set_flag(kernel, fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only);
  }
  for (const SocketSetting& setting : options.settings) {
    if (auto set = setting.apply(kernel, fd); !set) {
      kernel.close(fd);
      return std::unexpected(set.error());
    }
  }
  auto path = BoundPath::bind(
      kernel, fd, address, {.remove_stale = options.remove_stale_path, .mode = options.path_mode});
  if (path) return BoundSocket{.descriptor = fd, .path = *path};
  kernel.close(fd);
  return std::unexpected(path.error());
}

Result<void> Listener::listen(std::string_view address, const ListenOptions& options) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return listen(*parsed, options);
}

Result<void> Listener::listen(const Address& address, const ListenOptions& options) {
  if (reactor_.error()) return std::unexpected(*reactor_.error());
  if (is_listening()) return listens_already(address.to_string());
  Kernel& kernel = reactor_.kernel();
  auto bound = bind_socket(kernel, address, options);
  if (!bound) return std::unexpected(bound.error());
  auto listening = listen_on(bound->descriptor, options);
  if (listening) {
    slot_->path = bound->path;
    return listening;
  }
  bound->path.remove(kernel);
  kernel.close(bound->descriptor);
  const Error& error = listening.error();
  return failure(-error.code().value(), error.call(), address.to_string(),
                 advice_for_bind(error.code().value(), address));
}

Result<void> Listener::listen_on(int descriptor, const ListenOptions& options) {
  if (reactor_.error()) return std::unexpected(*reactor_.error());
  EDDY_REQUIRE(reactor_.on_own_thread(),
               "a Listener was used by a thread that is not its reactor's");
  const std::string subject = "fd " + std::to_string(descriptor);
  if (is_listening()) return listens_already(subject);
  close();  // which was finishing
  Kernel& kernel = reactor_.kernel();
  sockaddr_storage peer = {};
  socklen_t length = sizeof peer;
  if (kernel.getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &length) == 0) {
    return failure(-EISCONN, "listen", subject, "a connected socket cannot listen");
  }
  int protocol = 0;
  length = sizeof protocol;
  const int untold = kernel.getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
  if (untold < 0) return failure(untold, "listen", subject);
  if (protocol != 0) {  // of a Unix socket it is 0, and connections inherit nothing
    // Connections inherit both: no call for each. An urgent byte is then a byte like the others, in
    // its place.
    set_flag(kernel, descriptor, IPPROTO_TCP, TCP_NODELAY, options.no_delay);
    set_flag(kernel, descriptor, SOL_SOCKET, SO_OOBINLINE, true);
  }
  const int status = kernel.get_status_flags(descriptor);
  if (status >= 0) kernel.set_status_flags(descriptor, status | SOCK_NONBLOCK);
  if (const int failed = kernel.listen(descriptor, options.backlog); failed < 0) {
    return failure(failed, "listen", subject);
  }
  if (const int failed = reactor_.claim(descriptor); failed < 0) {
    return failure(failed, "listen", subject);
  }
  auto* slot = reactor_.make_slot<ListenerSlot>(0, reactor_, *this, options);
  if (slot == nullptr) {
    reactor_.disclaim(descriptor);
    return failure(-ENOMEM, "listen", subject);
  }
  slot->fd = descriptor;
  slot->is_tcp = protocol == IPPROTO_TCP;

  if (const int failed = reactor_.operations().add(*slot); failed < 0) {
    reactor_.disclaim(descriptor);
    reactor_.retire(*slot);
    return failure(failed, "listen", subject);
  }
  slot_ = slot;
  slot_->update();
  return {};
}

std::unexpected<Error> Listener::listens_already(std::string subject) const {
  const auto address = local_address();
  return std::unexpected<Error>(
      std::in_place, Errc::kListening, "listen", std::move(subject),
      "on " + (address ? address->to_string() : "fd " + std::to_string(slot_->fd)) +
          ": close that first, or make another server or listener");
}

Result<Address> Listener::local_address() const {
  if (!is_listening()) {
    return std::unexpected(
        Error(Errc::kClosed, "local_address", {}, "nothing listens here: call listen first"));
  }
  return socket_name(reactor_.kernel(), slot_->fd);
}

int Listener::descriptor() const { return is_listening() ? slot_->fd : -1; }

// TCP_INFO of a listening socket has its queue where the segments under way would be (tcp_get_info
// in net/ipv4/tcp.c).
Result<Backlog> Listener::backlog() const {
  if (!is_listening()) {
    return std::unexpected(
        Error(Errc::kClosed, "backlog", {}, "nothing listens here: call listen first"));
  }
  const std::string subject = "fd " + std::to_string(slot_->fd);
  tcp_info info = {};
  socklen_t length = sizeof info;
  const int failed = reactor_.kernel().getsockopt(slot_->fd, IPPROTO_TCP, TCP_INFO, &info, &length);
  if (failed < 0) return failure(failed, "getsockopt", "TCP_INFO of " + subject);
  const auto dropped = drops_of(reactor_.kernel(), slot_->fd);
  if (!dropped) return failure(dropped.error(), "getsockopt", "SO_MEMINFO of " + subject);
  return Backlog{.waiting = info.tcpi_unacked, .limit = info.tcpi_sacked, .dropped = *dropped};
}

bool Listener::is_tcp() const { return slot_ != nullptr && slot_->is_tcp; }

void Listener::keep_path() {
  if (slot_ != nullptr) slot_->path = {};
}

void Listener::pause() {
  if (slot_ != nullptr) slot_->set_paused(true);
}

void Listener::resume() {
  if (slot_ != nullptr) slot_->set_paused(false);
}

void Listener::set_room(size_t connections) {
  room_ = connections;
  if (slot_ != nullptr) slot_->set_room(connections);
}

bool Listener::is_listening() const { return slot_ != nullptr && !slot_->is_finishing(); }

void Listener::finish(InlineFunction<void()> finished) {
  if (slot_ != nullptr) return slot_->finish(std::move(finished));
  if (finished) reactor_.defer(std::move(finished));
}

void Listener::close() {
  if (slot_ == nullptr) return;
  slot_->abandon();
}

}  // namespace eddy
