#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/net/stream.h>
#include <eddy/net/stream_internal.h>

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
  EDDY_REQUIRE(slot_ != nullptr, "a Stream that names no connection was used");
  const bool fresh = slot_ != nullptr && slot_->generation == generation_;
  EDDY_REQUIRE(fresh, "a Stream was used after its on_close");
  if (!fresh) return nullptr;
  EDDY_REQUIRE(slot_->reactor().on_own_thread(),
               "a Stream was used by a thread that is not its reactor's");
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
  EDDY_REQUIRE_ALWAYS(slot != nullptr, "Stream::reactor was called after the stream's on_close");
  return slot->reactor();
}

void* Stream::state_memory(void (*construct)(void*)) const {
  StreamSlot* slot = find();
  EDDY_REQUIRE_ALWAYS(slot != nullptr, "Stream::state was called after the stream's on_close");
  EDDY_REQUIRE_ALWAYS(slot->options().state.construct == construct,
                      "Stream::state<T> was called, and StreamOptions::state is not state_of<T>()");
  return slot->state_memory();
}

}  // namespace eddy
