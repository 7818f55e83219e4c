#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/net/stream.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>

#include <string>

namespace eddy {
namespace {

using NameCall = int (Kernel::*)(int, sockaddr*, socklen_t*);

Result<Address> name_of(const StreamSlot& slot, NameCall call, const char* name) {
  if (slot.closing)
    return std::unexpected(Error(Errc::kClosed, name));  // the number may be another's
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const int failed = (slot.reactor().kernel().*call)(slot.fd, address, &length);
  if (failed < 0) return failure(failed, name, "fd " + std::to_string(slot.fd));
  return Address::from(address, length);
}

std::unexpected<Error> closed_stream(const char* call) {
  return std::unexpected<Error>(std::in_place, Errc::kClosed, call);
}

}  // namespace

Stream::Stream(StreamSlot& slot) : slot_(&slot), generation_(slot.generation) {}

// The slot, unless the handle is stale or the stream has ended.
StreamSlot* Stream::find() const {
  const bool fresh = slot_ != nullptr && slot_->generation == generation_;
  EDDY_REQUIRE(fresh, "a Stream must not be used after its on_close");
  if (!fresh) return nullptr;
  EDDY_REQUIRE(slot_->reactor().on_own_thread(), "a Stream is used by its reactor's thread only");
  return slot_;
}

bool Stream::is_open() const {
  return slot_ != nullptr && slot_->generation == generation_ && slot_->accepts_calls();
}

bool Stream::send(Slice bytes) {
  StreamSlot* slot = find();
  return slot != nullptr && slot->send(std::move(bytes));
}

bool Stream::send(std::string_view bytes) {
  StreamSlot* slot = find();
  return slot != nullptr && slot->send_copy(bytes);
}

bool Stream::send(Slice bytes, std::move_only_function<void(std::error_code)> done) {
  StreamSlot* slot = find();
  return slot != nullptr && slot->send_marked(std::move(bytes), std::move(done));
}

std::span<char> Stream::reserve(size_t least) {
  StreamSlot* slot = find();
  return slot == nullptr ? std::span<char>() : slot->reactor().output_room().reserve(least);
}

bool Stream::commit(size_t count) {
  StreamSlot* slot = find();
  return slot != nullptr && slot->commit(count);
}

size_t Stream::queued_bytes() const {
  const StreamSlot* slot = find();
  return slot == nullptr ? 0 : slot->queued_bytes();
}

void Stream::pause() {
  if (StreamSlot* slot = find()) slot->pause();
}

void Stream::resume() {
  if (StreamSlot* slot = find()) slot->resume();
}

bool Stream::is_paused() const {
  const StreamSlot* slot = find();
  return slot != nullptr && slot->is_paused();
}

void Stream::shutdown_write() {
  if (StreamSlot* slot = find()) slot->shutdown_write();
}

void Stream::close() {
  if (StreamSlot* slot = find()) slot->close();
}

void Stream::reset() {
  if (StreamSlot* slot = find()) slot->reset();
}

void Stream::release(InlineFunction<void(int)> taker) {
  if (StreamSlot* slot = find()) slot->release(std::move(taker));
}

Result<Address> Stream::local_address() const {
  const StreamSlot* slot = find();
  if (slot == nullptr) return closed_stream("getsockname");
  return name_of(*slot, &Kernel::getsockname, "getsockname");
}

Result<Address> Stream::peer_address() const {
  const StreamSlot* slot = find();
  if (slot == nullptr) return closed_stream("getpeername");
  return name_of(*slot, &Kernel::getpeername, "getpeername");
}

int Stream::descriptor() const {
  const StreamSlot* slot = find();
  return slot == nullptr || slot->closing ? -1 : slot->descriptor();
}

Reactor& Stream::reactor() const {
  StreamSlot* slot = find();
  EDDY_INVARIANT(slot != nullptr, "the reactor of a stream that has ended was asked for");
  return slot->reactor();
}

void* Stream::state_memory(void (*construct)(void*)) const {
  StreamSlot* slot = find();
  EDDY_INVARIANT(slot != nullptr && slot->options().state.construct == construct,
                 "Stream::state of a type that StreamOptions::state does not name");
  return slot->state_memory();
}

Result<Stream> adopt(Reactor& reactor, int descriptor, StreamOptions options) {
  return adopt(reactor, descriptor, std::make_shared<StreamOptions>(std::move(options)));
}

Result<Stream> adopt(Reactor& reactor, int descriptor, std::shared_ptr<StreamOptions> options) {
  if (reactor.error()) return std::unexpected(*reactor.error());
  const std::string subject = "fd " + std::to_string(descriptor);
  const int kind = reactor.kernel().descriptor_kind(descriptor);
  if (kind < 0) return failure(kind, "adopt", subject);
  if (kind == static_cast<int>(DescriptorKind::kRegularFile)) {
    return std::unexpected(Error(Errc::kUnsupported, "adopt", subject, "it is a regular file"));
  }
  if (kind == static_cast<int>(DescriptorKind::kSocket)) {
    sockaddr_storage peer = {};
    socklen_t length = sizeof peer;
    const int failed =
        reactor.kernel().getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &length);
    if (failed < 0) return failure(failed, "adopt", subject, "a socket has to be connected");
  }
  StreamSlot* slot = StreamSlot::make(reactor, std::move(options), nullptr);
  if (slot == nullptr) return failure(-ENOMEM, "adopt", subject);
  const Stream stream = slot->handle();
  const int failed = slot->begin_adopted(descriptor, static_cast<DescriptorKind>(kind));
  if (failed < 0) return failure(failed, "adopt", subject);
  return stream;
}

}  // namespace eddy
