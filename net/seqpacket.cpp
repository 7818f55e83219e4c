#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/net/seqpacket_internal.h>
#include <errno.h>

#include <string>
#include <vector>

namespace eddy {
namespace {

using NameCall = int (Kernel::*)(int, sockaddr*, socklen_t*);

Result<Address> name_of(const SeqpacketSlot* slot, NameCall call, const char* name) {
  if (slot == nullptr || slot->closing) return std::unexpected(Error(Errc::kClosed, name));
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const int failed = (slot->reactor().kernel().*call)(slot->fd, address, &length);
  if (failed < 0) return failure(failed, name, "fd " + std::to_string(slot->fd));
  return Address::from(address, length);
}

// A kind of socket that only Unix sockets have here.
Result<void> check_family(const Address& address, const char* call) {
  if (address.family() == AF_UNIX) return {};
  return std::unexpected<Error>(std::in_place, Errc::kUnsupported, call, address.to_string(),
                                "connections of messages have Unix sockets alone: unix:/PATH");
}

}  // namespace

// --- Handles

Seqpacket::Seqpacket(SeqpacketSlot& slot) : slot_(&slot), generation_(slot.generation) {}

SeqpacketSlot* Seqpacket::find() const {
  EDDY_REQUIRE(slot_ != nullptr, "a Seqpacket that names no connection was used");
  const bool fresh = slot_ != nullptr && slot_->generation == generation_;
  EDDY_REQUIRE(fresh, "a Seqpacket was used after its on_close");
  if (!fresh) return nullptr;
  EDDY_REQUIRE(slot_->reactor().on_own_thread(),
               "a Seqpacket was used by a thread that is not its reactor's");
  return slot_;
}

Result<Seqpacket> Seqpacket::connect(Reactor& reactor, std::string_view address,
                                     SeqpacketOptions options) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return connect(reactor, *parsed, std::move(options));
}

Result<Seqpacket> Seqpacket::connect(Reactor& reactor, const Address& address,
                                     SeqpacketOptions options) {
  if (reactor.error()) return std::unexpected(*reactor.error());
  if (auto good = check_family(address, "connect"); !good) return std::unexpected(good.error());
  const std::string subject = address.to_string();
  Kernel& kernel = reactor.kernel();
  const int fd = kernel.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(fd, "socket", subject);
  int failed = kernel.connect(fd, address.data(), address.size());
  if (failed == 0) {
    auto shared = std::make_shared<SeqpacketOptions>(std::move(options));
    auto* slot = reactor.make_slot<SeqpacketSlot>(0, reactor, std::move(shared), nullptr);
    failed = slot == nullptr ? -ENOMEM : slot->begin(fd);
    if (failed == 0) return slot->handle();
  }
  kernel.close(fd);
  return failure(failed, "connect", subject);
}

bool Seqpacket::is_open() const {
  return slot_ != nullptr && slot_->generation == generation_ && slot_->accepts_calls();
}

bool Seqpacket::send(Slice bytes) {
  SeqpacketSlot* slot = find();
  return slot != nullptr && slot->send(std::move(bytes));
}

bool Seqpacket::send(std::string_view bytes) {
  SeqpacketSlot* slot = find();
  if (slot == nullptr) return false;
  slot->reactor().turn().counters.copied_bytes += bytes.size();
  return slot->send(Slice::copy_of(bytes));
}

void Seqpacket::pause() {
  if (SeqpacketSlot* slot = find()) slot->pause();
}

void Seqpacket::resume() {
  if (SeqpacketSlot* slot = find()) slot->resume();
}

bool Seqpacket::is_paused() const {
  const SeqpacketSlot* slot = find();
  return slot != nullptr && slot->is_paused();
}

void Seqpacket::shutdown_write() {
  if (SeqpacketSlot* slot = find()) slot->shutdown_write();
}

void Seqpacket::close() {
  if (SeqpacketSlot* slot = find()) slot->close();
}

void Seqpacket::reset() {
  if (SeqpacketSlot* slot = find()) slot->reset();
}

Result<Address> Seqpacket::local_address() const {
  return name_of(find(), &Kernel::getsockname, "getsockname");
}

Result<Address> Seqpacket::peer_address() const {
  return name_of(find(), &Kernel::getpeername, "getpeername");
}

Result<PeerCredentials> Seqpacket::peer_credentials() const {
  const SeqpacketSlot* slot = find();
  if (slot == nullptr || slot->closing) {
    return std::unexpected(Error(Errc::kClosed, "getsockopt SO_PEERCRED"));
  }
  return eddy::peer_credentials(slot->reactor().kernel(), slot->fd);
}

int Seqpacket::descriptor() const {
  const SeqpacketSlot* slot = find();
  return slot == nullptr || slot->closing ? -1 : slot->descriptor();
}

// --- Servers

class SeqpacketServer::Connections final : public SeqpacketOwner {
 public:
  Connections(Reactor& reactor, SeqpacketOptions&& options)
      : reactor_(reactor),
        options_(std::make_shared<SeqpacketOptions>(std::move(options))),
        listener_(reactor, [this](int fd) { accept(fd); }) {}
  ~Connections() {
    if (first_ == nullptr) return;  // perhaps the reactor is gone
    const bool ours = reactor_.of_this_process();
    while (first_ != nullptr) {
      SeqpacketSlot& slot = *first_;
      connection_closed(slot);
      if (ours) slot.abandon();
    }
  }

  void connection_closed(SeqpacketSlot& slot) override {
    (slot.previous_owned == nullptr ? first_ : slot.previous_owned->next_owned) = slot.next_owned;
    if (slot.next_owned != nullptr) slot.next_owned->previous_owned = slot.previous_owned;
    slot.disown();
    --count_;
  }

  Listener& listener() { return listener_; }
  size_t count() const { return count_; }

  std::vector<Seqpacket> all() const {
    std::vector<Seqpacket> handles;
    for (SeqpacketSlot* slot = first_; slot != nullptr; slot = slot->next_owned) {
      handles.push_back(slot->handle());
    }
    return handles;
  }

 private:
  void accept(int fd) {
    auto* slot = reactor_.make_slot<SeqpacketSlot>(0, reactor_, options_, this);
    if (slot == nullptr || slot->begin(fd) < 0) {  // this connection is lost, not the server
      ++reactor_.turn().counters.accept_failures;
      reactor_.kernel().close(fd);
      return;
    }
    slot->next_owned = first_;
    if (first_ != nullptr) first_->previous_owned = slot;
    first_ = slot;
    ++count_;
  }

  Reactor& reactor_;
  const std::shared_ptr<SeqpacketOptions> options_;
  SeqpacketSlot* first_ = nullptr;
  size_t count_ = 0;
  Listener listener_;
};

SeqpacketServer::SeqpacketServer(Reactor& reactor, SeqpacketOptions options)
    : connections_(std::make_unique<Connections>(reactor, std::move(options))) {}

SeqpacketServer::~SeqpacketServer() = default;

Result<void> SeqpacketServer::listen(std::string_view address, const ListenOptions& options) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return listen(*parsed, options);
}

Result<void> SeqpacketServer::listen(const Address& address, const ListenOptions& options) {
  if (auto good = check_family(address, "listen"); !good) return good;
  ListenOptions of_messages = options;
  of_messages.seqpacket = true;
  return connections_->listener().listen(address, of_messages);
}

Result<Address> SeqpacketServer::local_address() const {
  return connections_->listener().local_address();
}

size_t SeqpacketServer::connections() const { return connections_->count(); }

void SeqpacketServer::for_each(const std::function<void(Seqpacket&)>& visit) {
  for (Seqpacket& connection : connections_->all()) {
    if (connection.is_open()) visit(connection);
  }
}

void SeqpacketServer::close() { connections_->listener().close(); }

}  // namespace eddy
