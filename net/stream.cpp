#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/net/socket_name_internal.h>
#include <eddy/net/stream.h>
#include <eddy/net/stream_internal.h>

#include <errno.h>

#include <string>

namespace eddy {
namespace {

// Once it closes, the number may be another's.
using SocketName = Result<Address> (*)(Kernel& kernel, int descriptor);
Result<Address> name_of(const StreamSlot& slot, SocketName ask, const char* call) {
  if (slot.closing) return std::unexpected(Error(Errc::kClosed, call));
  if (slot.fd < 0) return failure(-ENOTCONN, call, {}, "it is being connected");
  return ask(slot.reactor().kernel(), slot.fd);
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

Result<void> Stream::send_file(const FileRange& range,
                               std::move_only_function<void(std::error_code)> done) {
  StreamSlot* slot = find();
  if (slot == nullptr) return closed_stream("sendfile");
  return slot->send_file(range, std::move(done));
}

bool Stream::send_descriptors(Slice bytes, std::span<const int> descriptors) {
  StreamSlot* slot = find();
  return slot != nullptr && slot->send_descriptors(std::move(bytes), descriptors);
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

bool Stream::is_full() const {
  const StreamSlot* slot = find();
  return slot != nullptr && slot->is_full();
}

void Stream::pause() {
  if (StreamSlot* slot = find()) slot->pause();
}

void Stream::hold() {
  if (StreamSlot* slot = find()) slot->hold();
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

void Stream::close_confirmed(std::chrono::nanoseconds deadline) {
  if (StreamSlot* slot = find()) slot->close_confirmed(deadline);
}

void Stream::reset() {
  if (StreamSlot* slot = find()) slot->reset();
}

void Stream::release(InlineFunction<void(int)> taker) {
  if (StreamSlot* slot = find()) slot->release(std::move(taker));
}

void Stream::release_unread(InlineFunction<void(int, SharedBytes)> taker) {
  if (StreamSlot* slot = find()) slot->release_unread(std::move(taker));
}

Result<Address> Stream::local_address() const {
  const StreamSlot* slot = find();
  if (slot == nullptr) return closed_stream("getsockname");
  return name_of(*slot, socket_name, "getsockname");
}

Result<Address> Stream::peer_address() const {
  const StreamSlot* slot = find();
  if (slot == nullptr) return closed_stream("getpeername");
  return name_of(*slot, peer_name, "getpeername");
}

std::optional<Error> Stream::connect_error() const {
  const StreamSlot* slot = find();
  return slot == nullptr ? std::nullopt : slot->connect_error();
}

Result<PeerCredentials> Stream::peer_credentials() const {
  const StreamSlot* slot = find();
  if (slot == nullptr || slot->closing) return closed_stream("getsockopt SO_PEERCRED");
  return eddy::peer_credentials(slot->reactor().kernel(), slot->fd);
}

Result<int> Stream::peer_process() const {
  const StreamSlot* slot = find();
  if (slot == nullptr || slot->closing) return closed_stream("getsockopt SO_PEERPIDFD");
  return eddy::peer_process(slot->reactor().kernel(), slot->fd);
}

int Stream::descriptor() const {
  StreamSlot* slot = find();
  if (slot == nullptr || slot->closing) return -1;
  slot->is_shared = true;
  return slot->descriptor();
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
