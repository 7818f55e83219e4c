#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/net/datagram.h>
#include <eddy/net/datagram_internal.h>
#include <errno.h>

#include <string>

namespace eddy {
namespace {

using NameCall = int (Kernel::*)(int, sockaddr*, socklen_t*);

Result<Address> name_of(const DatagramSlot* slot, NameCall call, const char* name) {
  if (slot == nullptr || slot->closing) return std::unexpected(Error(Errc::kClosed, name));
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const int failed = (slot->reactor().kernel().*call)(slot->fd, address, &length);
  if (failed < 0) return failure(failed, name, "fd " + std::to_string(slot->fd));
  return Address::from(address, length);
}

// An option of a socket that is a number, or a negative errno.
int number_of(Kernel& kernel, int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  const int failed = kernel.getsockopt(fd, SOL_SOCKET, name, &value, &length);
  return failed < 0 ? failed : value;
}

Slice copy_of(std::string_view bytes, Reactor& reactor) {
  reactor.turn().counters.copied_bytes += bytes.size();
  return Slice::copy_of(bytes);
}

}  // namespace

Datagram::Datagram(DatagramSlot& slot) : slot_(&slot), generation_(slot.generation) {}

DatagramSlot* Datagram::find() const {
  EDDY_REQUIRE(slot_ != nullptr, "a Datagram that names no socket was used");
  const bool fresh = slot_ != nullptr && slot_->generation == generation_;
  EDDY_REQUIRE(fresh, "a Datagram was used after its on_close");
  if (!fresh) return nullptr;
  EDDY_REQUIRE(slot_->reactor().on_own_thread(),
               "a Datagram was used by a thread that is not its reactor's");
  return slot_;
}

// --- Beginning

Result<Datagram> Datagram::begin(Reactor& reactor, int descriptor, int family, bool claims,
                                 DatagramOptions&& options, const std::string& subject) {
  auto* slot = reactor.make_slot<DatagramSlot>(0, reactor, std::move(options), family);
  if (slot == nullptr) return failure(-ENOMEM, "datagram", subject);
  const Datagram handle(*slot);
  const int failed = slot->begin(descriptor, claims);
  if (failed < 0) return failure(failed, "datagram", subject);
  return handle;
}

Result<Datagram> Datagram::open(Reactor& reactor, const Address& address, DatagramOptions&& options,
                                bool connects) {
  if (reactor.error()) return std::unexpected(*reactor.error());
  Kernel& kernel = reactor.kernel();
  const std::string subject = address.to_string();
  const auto fd = make_datagram_socket(kernel, address.family(), options, subject);
  if (!fd) return std::unexpected(fd.error());
  int failed = 0;
  if (connects && address.family() == AF_UNIX) {
    const sockaddr nameless = {.sa_family = AF_UNIX, .sa_data = {}};
    failed = kernel.bind(*fd, &nameless, sizeof nameless.sa_family);
  }
  if (failed == 0) {
    failed = connects ? kernel.connect(*fd, address.data(), address.size())
                      : kernel.bind(*fd, address.data(), address.size());
  }
  auto begun = failed < 0
                   ? Result<Datagram>(failure(failed, connects ? "connect" : "bind", subject))
                   : begin(reactor, *fd, address.family(), false, std::move(options), subject);
  if (!begun) kernel.close(*fd);
  return begun;
}

Result<Datagram> Datagram::bind(Reactor& reactor, const Address& address, DatagramOptions options) {
  return open(reactor, address, std::move(options), false);
}

Result<Datagram> Datagram::bind(Reactor& reactor, std::string_view address,
                                DatagramOptions options) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return bind(reactor, *parsed, std::move(options));
}

Result<Datagram> Datagram::connect(Reactor& reactor, const Address& peer, DatagramOptions options) {
  return open(reactor, peer, std::move(options), true);
}

Result<Datagram> Datagram::connect(Reactor& reactor, std::string_view peer,
                                   DatagramOptions options) {
  const auto parsed = Address::parse(peer);
  if (!parsed) return std::unexpected(parsed.error());
  return connect(reactor, *parsed, std::move(options));
}

Result<Datagram> Datagram::adopt(Reactor& reactor, int descriptor, DatagramOptions options) {
  if (reactor.error()) return std::unexpected(*reactor.error());
  Kernel& kernel = reactor.kernel();
  const std::string subject = "fd " + std::to_string(descriptor);
  const int type = number_of(kernel, descriptor, SO_TYPE);
  if (type < 0) return failure(type, "adopt", subject);
  if (type != SOCK_DGRAM) {
    return std::unexpected<Error>(std::in_place, Errc::kUnsupported, "adopt", subject,
                                  "it is no socket of datagrams");
  }
  const int family = number_of(kernel, descriptor, SO_DOMAIN);
  if (family < 0) return failure(family, "adopt", subject);
  if (auto applied = apply_options(kernel, descriptor, family, options, subject); !applied) {
    return std::unexpected(applied.error());
  }
  return begin(reactor, descriptor, family, true, std::move(options), subject);
}

bool Datagram::is_open() const {
  return slot_ != nullptr && slot_->generation == generation_ && slot_->accepts_calls();
}

// --- Sending

bool Datagram::send_to(Slice bytes, const Address& destination) {
  DatagramSlot* slot = find();
  return slot != nullptr && slot->send(std::move(bytes), &destination, nullptr);
}

bool Datagram::send_to(std::string_view bytes, const Address& destination) {
  DatagramSlot* slot = find();
  return slot != nullptr && slot->accepts_calls() &&
         slot->send(copy_of(bytes, slot->reactor()), &destination, nullptr);
}

bool Datagram::send_to(Slice bytes, const Address& destination, const DatagramSend& how) {
  DatagramSlot* slot = find();
  return slot != nullptr && slot->send(std::move(bytes), &destination, &how);
}

bool Datagram::send(Slice bytes) {
  DatagramSlot* slot = find();
  return slot != nullptr && slot->send(std::move(bytes), nullptr, nullptr);
}

bool Datagram::send(std::string_view bytes) {
  DatagramSlot* slot = find();
  return slot != nullptr && slot->accepts_calls() &&
         slot->send(copy_of(bytes, slot->reactor()), nullptr, nullptr);
}

bool Datagram::send(Slice bytes, const DatagramSend& how) {
  DatagramSlot* slot = find();
  return slot != nullptr && slot->send(std::move(bytes), nullptr, &how);
}

// --- The peer

Result<void> Datagram::connect(const Address& peer) {
  DatagramSlot* slot = find();
  if (slot == nullptr || slot->closing) return std::unexpected(Error(Errc::kClosed, "connect"));
  return slot->connect(peer);
}

Result<void> Datagram::disconnect() {
  DatagramSlot* slot = find();
  if (slot == nullptr || slot->closing) return std::unexpected(Error(Errc::kClosed, "disconnect"));
  return slot->disconnect();
}

// --- The rest

void Datagram::pause() {
  if (DatagramSlot* slot = find()) slot->pause();
}

void Datagram::resume() {
  if (DatagramSlot* slot = find()) slot->resume();
}

bool Datagram::is_paused() const {
  const DatagramSlot* slot = find();
  return slot != nullptr && slot->is_paused();
}

void Datagram::close() {
  if (DatagramSlot* slot = find()) slot->close();
}

void Datagram::reset() {
  if (DatagramSlot* slot = find()) slot->reset();
}

Result<Address> Datagram::local_address() const {
  return name_of(find(), &Kernel::getsockname, "getsockname");
}

Result<Address> Datagram::peer_address() const {
  return name_of(find(), &Kernel::getpeername, "getpeername");
}

DatagramStats Datagram::stats() const {
  const DatagramSlot* slot = find();
  return slot == nullptr ? DatagramStats() : slot->stats();
}

int Datagram::descriptor() const {
  const DatagramSlot* slot = find();
  return slot == nullptr || slot->closing ? -1 : slot->fd;
}

Reactor& Datagram::reactor() const {
  DatagramSlot* slot = find();
  EDDY_REQUIRE_ALWAYS(slot != nullptr, "Datagram::reactor was called after its on_close");
  return slot->reactor();
}

}  // namespace eddy
