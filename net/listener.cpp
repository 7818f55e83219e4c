#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/listener.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
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

const char* advice_for_bind(int error) {
  if (error == EADDRINUSE) return "another socket listens there";
  if (error == EACCES)
    return "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE";
  if (error == EADDRNOTAVAIL) return "this machine has no such address";
  return "";
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
  void on_closed() override { reactor_.retire(*this); }
  void abandon() override {
    if (listener_ != nullptr) listener_->slot_ = nullptr;
    end();
  }
  void end() {
    if (closing) return;
    listener_ = nullptr;
    reactor_.cancel_timer(timer_);
    reactor_.disclaim(fd);
    reactor_.operations().close(*this);
  }
  void update() {
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
    if (paused_ || exhausted_) return;
    reactor_.operations().stop_accepting(*this);  // what is under way is of the other kind
    reactor_.operations().accept(*this);
  }

 private:
  Reactor& reactor_;
  Listener* listener_;
  const std::shared_ptr<Listener::Callbacks> callbacks_;
  const size_t backlog_;
  const std::chrono::nanoseconds retry_after_;
  bool paused_ = false;
  bool exhausted_ = false;
  TimerId timer_{};
};

void ListenerSlot::on_accept(int result) {
  Counters& counters = reactor_.turn().counters;
  if (result >= 0) {
    ++counters.accepted;
    return callbacks_->on_accept(result);
  }
  if (lost_before_accept(-result)) {
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
    listener_->slot_ = nullptr;
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

Result<void> Listener::listen(std::string_view address, const ListenOptions& options) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return listen(*parsed, options);
}

Result<void> Listener::listen(const Address& address, const ListenOptions& options) {
  if (reactor_.error()) return std::unexpected(*reactor_.error());
  if (slot_ != nullptr) return listens_already(address.to_string());
  Kernel& kernel = reactor_.kernel();
  const int fd = kernel.socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(fd, "socket", address.to_string());
  set_flag(kernel, fd, SOL_SOCKET, SO_REUSEADDR, options.reuse_address);
  set_flag(kernel, fd, SOL_SOCKET, SO_REUSEPORT, options.reuse_port);
  if (address.family() == AF_INET6) {
    set_flag(kernel, fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only);
  }
  const int failed = kernel.bind(fd, address.data(), address.size());
  if (failed < 0) {
    kernel.close(fd);
    return failure(failed, "bind", address.to_string(), advice_for_bind(-failed));
  }
  auto listening = listen_on(fd, options);
  if (listening) return listening;
  kernel.close(fd);
  const Error& error = listening.error();
  return failure(-error.code().value(), error.call(), address.to_string(),
                 advice_for_bind(error.code().value()));
}

Result<void> Listener::listen_on(int descriptor, const ListenOptions& options) {
  if (reactor_.error()) return std::unexpected(*reactor_.error());
  EDDY_REQUIRE(reactor_.on_own_thread(),
               "a Listener was used by a thread that is not its reactor's");
  const std::string subject = "fd " + std::to_string(descriptor);
  if (slot_ != nullptr) return listens_already(subject);
  Kernel& kernel = reactor_.kernel();
  sockaddr_storage peer = {};
  socklen_t length = sizeof peer;
  if (kernel.getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &length) == 0) {
    return failure(-EISCONN, "listen", subject, "a connected socket cannot listen");
  }
  // Connections inherit both: no call for each. An urgent byte is then a byte like the others, in
  // its place.
  set_flag(kernel, descriptor, IPPROTO_TCP, TCP_NODELAY, options.no_delay);
  set_flag(kernel, descriptor, SOL_SOCKET, SO_OOBINLINE, true);
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
  if (slot_ == nullptr) {
    return std::unexpected(
        Error(Errc::kClosed, "local_address", {}, "nothing listens here: call listen first"));
  }
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const int failed = reactor_.kernel().getsockname(slot_->fd, address, &length);
  if (failed < 0) return failure(failed, "getsockname", "fd " + std::to_string(slot_->fd));
  return Address::from(address, length);
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

void Listener::close() {
  if (slot_ == nullptr) return;
  std::exchange(slot_, nullptr)->end();
}

}  // namespace eddy
