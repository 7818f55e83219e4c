#include <eddy/core/kernel.h>
#include <eddy/net/seqpacket_internal.h>
#include <errno.h>

#include <algorithm>
#include <array>
#include <utility>

namespace eddy {
namespace {

constexpr size_t kBatch = 64;
// What one connection may send before the others have their turn.
constexpr int kSendBudgetBatches = 16;

}  // namespace

// --- Beginning and end

SeqpacketSlot::SeqpacketSlot(Reactor& reactor, std::shared_ptr<SeqpacketOptions> options,
                             SeqpacketOwner* owner)
    : reactor_(reactor), options_(std::move(options)), owner_(owner) {
  role = SlotRole::kMessages;
}

int SeqpacketSlot::begin(int descriptor) {
  fd = descriptor;
  if (const int failed = reactor_.operations().add(*this); failed < 0) {
    reactor_.retire(*this);
    return failed;
  }
  set(kOpening);
  reactor_.turn().want_flush(*this);
  return 0;
}

void SeqpacketSlot::open() {
  clear(kOpening);
  if (!options_->on_open || has(kClosing | kMute)) return;
  Seqpacket self = handle();
  options_->on_open(self);
}

void SeqpacketSlot::end(std::error_code reason) {
  if (closing) return;
  reason_ = reason;
  reactor_.operations().close(*this);
}

void SeqpacketSlot::on_closed() {
  queue_.clear();
  held_.clear();
  // The options outlive the callbacks even if these destroy the server.
  const std::shared_ptr<SeqpacketOptions> options = options_;
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->connection_closed(*this);
  if (options->on_close && !has(kMute)) {
    Seqpacket self = handle();
    options->on_close(self, reason_);
  }
  reactor_.retire(*this);
}

void SeqpacketSlot::abandon() {
  set(kMute);
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->connection_closed(*this);
  end({});
}

void SeqpacketSlot::close() {
  if (!accepts_calls()) return;
  set(kClosing);
  held_.clear();
  reactor_.turn().want_flush(*this);
}

void SeqpacketSlot::shutdown_write() {
  if (!accepts_calls() || has(kWriteClosing)) return;
  set(kWriteClosing);
  reactor_.turn().want_flush(*this);
}

void SeqpacketSlot::flush() {
  if (closing) return;
  if (has(kOpening)) open();
  deliver_held();
  start_sending();
  if (!closing && queue_.empty()) finish_output();
  if (!closing) update_receiving();
}

void SeqpacketSlot::finish_output() {
  if (has(kClosing)) return end(reason_);
  if (!has(kWriteClosing) || has(kWriteClosed)) return;
  set(kWriteClosed);
  reactor_.kernel().shutdown(fd, SHUT_WR);
}

// --- Receiving

void SeqpacketSlot::on_message(ReceivedMessage&& message) {
  if (has(kClosing | kMute | kEndArrived)) return;
  if (message.size == 0) return on_message_error(0);
  const SeqpacketInfo info = {.length = message.size,
                              .truncated = (message.flags & MSG_TRUNC) != 0};
  if (!has(kPaused) && held_.empty()) return deliver(std::move(message.bytes), info);
  try {
    held_.push_back({std::move(message.bytes), info});
  } catch (const std::bad_alloc&) {
    end(errno_code(ENOMEM));
  }
}

// 0 is the end of input. ECONNRESET is told before what had arrived, and the end comes behind that.
void SeqpacketSlot::on_message_error(int error) {
  if (error == -ECONNRESET) {
    reason_ = errno_code(ECONNRESET);
    return;
  }
  if (error < 0) return end(errno_code(-error));
  set(kEndArrived);
  update_receiving();
  if (!has(kPaused) && held_.empty()) deliver_end();
}

void SeqpacketSlot::deliver(Slice&& bytes, const SeqpacketInfo& info) {
  if (!options_->on_message) return;
  Seqpacket self = handle();
  options_->on_message(self, std::move(bytes), info);
}

void SeqpacketSlot::deliver_held() {
  while (!held_.empty() && !closing && !has(kPaused | kClosing)) {
    Held next = std::move(held_.front());
    held_.pop_front();
    deliver(std::move(next.bytes), next.info);
  }
  if (held_.empty() && has(kEndArrived) && !has(kPaused)) deliver_end();
}

void SeqpacketSlot::deliver_end() {
  if (closing || has(kEndTold)) return;
  set(kEndTold);
  if (reason_) return end(reason_);
  if (has(kClosing | kMute)) return;
  if (!options_->on_end) return close();
  Seqpacket self = handle();
  options_->on_end(self);
}

void SeqpacketSlot::pause() {
  if (accepts_calls()) set(kPaused);
  if (!closing) update_receiving();
}

// What was held is delivered later in the turn, not from inside this call.
void SeqpacketSlot::resume() {
  if (!has(kPaused)) return;
  clear(kPaused);
  reactor_.turn().want_flush(*this);
}

// A connection that is closing reads on while its queue is being taken: a peer that is held up with
// its own output would never take ours.
void SeqpacketSlot::update_receiving() {
  const bool awaited = has(kClosing) ? !queue_.empty() : !has(kPaused);
  const bool receives = awaited && !has(kOpening | kEndArrived);
  if (receives == has(kReceiving)) return;
  if (!receives) {
    clear(kReceiving);
    return reactor_.operations().stop_receiving(*this);
  }
  set(kReceiving);
  const int failed = reactor_.operations().receive_messages(*this);
  if (failed < 0) end(errno_code(-failed));
}

// --- Sending

bool SeqpacketSlot::send(Slice&& bytes) {
  if (!accepts_calls() || has(kWriteClosing) || bytes.empty()) return false;
  const bool is_full =
      queue_.size() >= options_->send_queue_messages ||
      (!queue_.empty() && queued_bytes_ + bytes.size() > options_->send_queue_bytes);
  if (is_full) {
    set(kRefused);
    return false;
  }
  const size_t size = bytes.size();
  try {
    queue_.push_back(std::move(bytes));
  } catch (const std::bad_alloc&) {
    return false;
  }
  queued_bytes_ += size;
  reactor_.turn().want_flush(*this);
  return true;
}

void SeqpacketSlot::start_sending() {
  for (int batches = 0; !queue_.empty() && !has(kBlocked | kDeferred) && !closing; ++batches) {
    // on_drain may queue more each time, and the kernel may take it as fast.
    if (batches == kSendBudgetBatches) return go_on_next_turn();
    const int result = send_batch();
    if (result == -EAGAIN) {
      set(kBlocked);
      reactor_.operations().await_room(*this, Found::kNone);
    } else if (result < 0 && result != -EINTR) {
      send_failed(-result);
    } else if (result > 0) {
      sent(static_cast<size_t>(result));
    }
  }
}

int SeqpacketSlot::send_batch() {
  std::array<mmsghdr, kBatch> headers;
  std::array<iovec, kBatch> pieces;
  const size_t count = std::min(queue_.size(), kBatch);
  for (size_t i = 0; i < count; ++i) {
    const Slice& next = queue_[i];
    pieces[i] = {const_cast<char*>(next.data()), next.size()};  // NOLINT: iovec's type
    headers[i] = {};
    headers[i].msg_hdr.msg_iov = &pieces[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  ++reactor_.turn().counters.system_calls;
  return reactor_.kernel().sendmmsg(fd, headers.data(), static_cast<unsigned>(count),
                                    MSG_DONTWAIT | MSG_NOSIGNAL);
}

void SeqpacketSlot::sent(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    reactor_.turn().counters.bytes_sent += queue_.front().size();
    queued_bytes_ -= queue_.front().size();
    queue_.pop_front();
  }
  const bool has_room = queue_.size() <= options_->send_queue_messages / 2 &&
                        queued_bytes_ <= options_->send_queue_bytes / 2;
  if (!has(kRefused) || !has_room) return;
  clear(kRefused);
  if (!options_->on_drain || has(kMute | kClosing)) return;
  Seqpacket self = handle();
  options_->on_drain(self);
}

// The peer is gone: what it sent before comes first, and the end behind that.
void SeqpacketSlot::send_failed(int error) {
  const bool peer_gone = error == EPIPE || error == ECONNRESET;
  if (!peer_gone || has(kClosing | kEndTold)) return end(errno_code(error));
  if (!reason_) reason_ = errno_code(error);
  queue_.clear();
  queued_bytes_ = 0;
  set(kWriteClosing | kWriteClosed);
}

void SeqpacketSlot::on_room() {
  clear(kBlocked);
  reactor_.turn().want_flush(*this);
}

void SeqpacketSlot::go_on_next_turn() {
  const SocketId name = id();
  const bool deferred = reactor_.defer([name] {
    auto& slot = static_cast<SeqpacketSlot&>(*name.slot());
    if (!name.names(slot) || slot.closing) return;
    slot.clear(kDeferred);
    slot.reactor_.turn().want_flush(slot);
  });
  if (!deferred) return end(errno_code(ENOMEM));  // it would wait for ever
  set(kDeferred);
}

}  // namespace eddy
