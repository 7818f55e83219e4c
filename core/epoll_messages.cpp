// Messages over epoll: a batch a call, until the socket is empty or the slot has had its share.
#include <eddy/core/epoll_backend_parts.h>
#include <errno.h>

namespace eddy {
namespace {

// What one slot may read before the others have their turn.
constexpr int kReadBudgetBatches = 4;

}  // namespace

int EpollBackend::receive_messages(Slot& slot) {
  if (const int failed = turn_.messages.open(); failed < 0) return failed;
  if (reader_ == nullptr) {
    reader_.reset(new (std::nothrow) MessageReader(turn_, turn_.messages));
    if (reader_ == nullptr) return -ENOMEM;
  }
  slot.wanted |= kReceiving;
  if ((slot.readiness & kCanRead) != 0 && !slot.parked) ready_.push(slot);
  return 0;
}

void EpollBackend::on_messages(Slot& slot) {
  turn_.flushed_by_backend = &slot;
  if ((slot.wanted & kAwaitsRoom) != 0 && (slot.readiness & kCanWrite) != 0) {
    slot.wanted &= ~kAwaitsRoom;
    ++turn_.counters.completions;
    slot.on_room();
    flush(slot);
  }
  if ((slot.wanted & kReceiving) != 0 && (slot.readiness & kCanRead) != 0) read_messages(slot);
  turn_.flushed_by_backend = nullptr;
  if (!slot.flush_wanted) return;
  slot.flush_wanted = false;
  turn_.want_flush(slot);
}

void EpollBackend::read_messages(Slot& slot) {
  for (int batches = 0; (slot.wanted & kReceiving) != 0 && (slot.readiness & kCanRead) != 0;
       ++batches) {
    if (batches == kReadBudgetBatches) return ready_.push(slot);
    if (!read_batch(slot)) return;
  }
}

// False when there is no room to read into.
bool EpollBackend::read_batch(Slot& slot) {
  if (!reader_->has_room()) {
    park_messages(slot);
    return false;
  }
  bool all = false;
  const int count = reader_->receive(slot, all);
  // Fewer than could be: the socket was found empty, unless an error is still to be told.
  if (count == -EAGAIN || (count >= 0 && !all && (slot.readiness & kReadToTheEnd) == 0)) {
    slot.readiness &= ~(kCanRead | kReadToTheEnd);
  }
  if (count < 0 && count != -EAGAIN) {
    ++turn_.counters.completions;
    slot.on_message_error(count);
  }
  for (int i = 0; i < count; ++i) {
    ReceivedMessage message = reader_->take(static_cast<unsigned>(i));
    turn_.counters.bytes_received += message.bytes.size();
    ++turn_.counters.completions;
    if (!slot.closing) slot.on_message(std::move(message));
  }
  flush(slot);
  return true;
}

// Pieces come back with the slices, which their holders let go by themselves.
void EpollBackend::park_messages(Slot& slot) {
  if (slot.in_ready_list) return;
  ++turn_.counters.buffer_exhaustions;
  ++turn_.counters.parked;
  slot.parked = true;
  parked_messages_.push(slot);
}

void EpollBackend::unpark_messages() {
  while (can_unpark_messages()) {
    Slot& slot = *parked_messages_.pop();
    slot.parked = false;
    ready_.push(slot);
  }
}

void EpollBackend::leave_parked(Slot& slot) {
  if (!slot.parked) return;
  slot.parked = false;
  (slot.role == SlotRole::kMessages ? parked_messages_ : parked_).remove(slot);
}

}  // namespace eddy
