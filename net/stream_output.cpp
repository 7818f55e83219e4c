#include <eddy/core/canary.h>
#include <eddy/core/kernel.h>
#include <eddy/net/connect_attempts_internal.h>
#include <eddy/net/splice_internal.h>
#include <eddy/net/stream_internal.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

namespace eddy {

// What is copied out of an exhausted ring for one stream at once. More than this is worth waiting
// for: in so long, a peer that reads has taken some.
constexpr size_t kRelocatableBytes = 64 * 1024;
constexpr std::chrono::milliseconds kPatience(1);
// What one stream may send before the others have their turn.
constexpr size_t kSendBudgetBytes = 1024 * 1024;
constexpr int kSendBudgetCalls = 16;

bool StreamSlot::send(Slice&& bytes) {
  if (!can_send()) return false;
  queue(std::move(bytes));
  return !closing;  // the hard limit may have ended it
}

void StreamSlot::queue(Slice&& bytes) {
  if (extra_ != nullptr) {
    extra_->queued_in_all += bytes.size();
    if (has(kParts)) return queue_behind(std::move(bytes));
  }
  // Not the turn's time: the call may come from outside a turn, long after the last one.
  if (output_.empty() && options_->stall_timeout.count() > 0) last_send_ = reactor_.now();
  try {
    output_.push(reactor_.turn().slices, std::move(bytes));
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  if (output_.bytes() > options_->hard_limit_bytes) [[unlikely]] {
    ++reactor_.turn().counters.over_limit;
    return end(make_error_code(Errc::kOverLimit));
  }
  if (output_.bytes() > options_->high_watermark_bytes) [[unlikely]] {
    set(kAboveHigh);
    if (!options_->read_while_full) {
      set(kPausedByOutput);
      update_receiving();
    }
  }
  reactor_.turn().want_flush(*this);
}

bool StreamSlot::send_copy(std::string_view bytes) {
  if (!can_send()) return false;
  reactor_.turn().counters.copied_bytes += bytes.size();
  while (!bytes.empty() && can_send()) {
    const std::span<char> room = reactor_.output_room().reserve(
        std::min(bytes.size(), reactor_.turn().ring.options().segment_bytes));
    const size_t count = std::min(room.size(), bytes.size());
    if (count == 0) {
      out_of_memory();
      break;
    }
    memcpy(room.data(), bytes.data(), count);
    commit(count);
    bytes.remove_prefix(count);
  }
  return !closing;
}

bool StreamSlot::send_marked(Slice&& bytes, std::move_only_function<void(std::error_code)> done) {
  if (!can_send()) return false;
  if (!mark(bytes.size(), std::move(done))) {
    out_of_memory();
    return false;
  }
  queue(std::move(bytes));
  if (closing) extra_->marks.pop_back();  // who is told false is not told again
  return !closing;
}

// Bytes are counted for as long as somebody waits for one of them.
void StreamSlot::begin_counting() {
  if (extra_->counts()) return;
  extra_->queued_in_all = output_.bytes();
  extra_->sent_in_all = 0;
  // What goes through a Splice's pipe is counted in neither.
  for (Part& part : extra_->parts) {
    part.at = extra_->queued_in_all;
    if (part.splice == nullptr) extra_->queued_in_all += part.file.length;
    extra_->queued_in_all += part.behind.bytes();
  }
}

// Of a send that follows. False: no memory.
bool StreamSlot::mark(size_t bytes, std::move_only_function<void(std::error_code)> done) {
  if (!make_extra()) return false;
  begin_counting();
  try {
    extra_->marks.push_back({extra_->queued_in_all + bytes, std::move(done)});
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

bool StreamSlot::commit(size_t count) {
  try {
    Slice bytes = reactor_.output_room().commit(count);
    return send(std::move(bytes));
  } catch (const std::bad_alloc&) {
    if (can_send()) out_of_memory();
    return false;
  }
}

void StreamSlot::shutdown_write() {
  if (!can_send()) return;
  set(kWriteClosing);
  reactor_.turn().want_flush(*this);
}

// The end of a turn, or of this stream's part of it: starts what its callbacks asked for.
void StreamSlot::flush() {
  if (has(kOpening)) [[unlikely]] {
    clear(kOpening);
    has(kConnecting) ? extra_->attempts->start() : opened();
  }
  if (!held_.empty() || has(kEndArrived)) [[unlikely]]
    deliver_held();
  start_sending();
  if (extra_ != nullptr && !has(kConnecting)) {
    fire_marks({});  // of sends of no bytes
    if (has(kParts)) send_parts();
    if (has(kInputByHand)) extra_->source_of->on_source_ready();
  }
  if (closing) return;
  if (has(kSending | kWriteClosing | kClosing)) {
    if ((output_.empty() && !has(kParts)) ||
        (EDDY_CANARY(kHalfCloseDropsData) && has(kWriteClosing))) {
      finish_output();
    } else if (has(kAboveHigh | kWriteClosing | kClosing | kParts) ||
               (extra_ != nullptr && !extra_->marks.empty())) {
      // What waits for this send to be over must not wait for something else to wake the loop.
      reactor_.operations().await_send();
    }
  }
  if (!has(kReceiving)) [[unlikely]]
    update_receiving();
}

// Where the result comes at once, callbacks may queue more, and a peer that reads as fast would
// keep the loop: the rest is for the next turn.
void StreamSlot::start_sending() {
  size_t budget_bytes = kSendBudgetBytes;
  int budget_calls = kSendBudgetCalls;
  while (!output_.empty() && !has(kSending | kConnecting) && !closing) {
    int result = kPending;
    if (budget_bytes == 0 || budget_calls-- == 0) [[unlikely]] {
      reactor_.operations().send_next_turn(*this);
    } else {
      result = reactor_.operations().send(*this, output_);
    }
    if (result == kPending) {
      set(kSending);
      if (options_->stall_timeout.count() > 0) arm_timer();
    } else if (result < 0) {
      send_failed(errno_code(-result));
    } else {
      budget_bytes -= std::min(static_cast<size_t>(result), budget_bytes);
      sent(static_cast<size_t>(result));
    }
  }
}

// The peer is gone. What it sent before lies in the socket still, or is held, and comes first: the
// end of receiving, which is certain to follow (tcp(7)), then ends the stream.
void StreamSlot::send_failed(std::error_code reason) {
  const bool peer_gone = reason == std::errc::broken_pipe || reason == std::errc::connection_reset;
  if (!peer_gone || kind != DescriptorKind::kSocket || has(kClosing | kEndTold)) return end(reason);
  reason_ = reason;
  output_.clear(reactor_.turn().slices);
  set(kWriteClosing | kWriteClosed);  // before a Splice's `done` may try to send
  if (has(kParts)) drop_parts(reason);
  const bool drain_awaited = has(kAboveHigh) && has(kPausedByUser | kOnHold);
  clear(kAboveHigh | kPausedByOutput | kRelocating);
  reactor_.turn().want_flush(*this);
  if (drain_awaited) tell_drained();
}

void StreamSlot::on_send(int result) {
  clear(kSending);
  if (result < 0) return send_failed(errno_code(-result));
  sent(static_cast<size_t>(result));
  if (closing) return;
  if (has(kRelocating)) {
    clear(kRelocating);
    relocate_queue(output_);
  }
  if (!output_.empty() || has(kWriteClosing | kClosing | kParts)) {
    reactor_.turn().want_flush(*this);
  }
}

void StreamSlot::sent(size_t count) {
  reactor_.turn().counters.bytes_sent += count;
  last_send_ = reactor_.turn_time();
  output_.consume(reactor_.turn().slices, count);
  if (extra_ != nullptr) {
    extra_->sent_in_all += count;
    fire_marks({});
  }
  if (has(kAboveHigh)) came_down();
}

// Perhaps as far as the low watermark.
void StreamSlot::came_down() {
  if (queued_bytes() > options_->low_watermark_bytes) return;
  clear(kAboveHigh | kPausedByOutput);
  if (closing) return;
  reactor_.turn().want_flush(*this);  // what was held, and receiving, go on from there
  if (has(kParts)) drained_parts();
  tell_drained();
}

void StreamSlot::tell_drained() {
  if (!options_->on_drain || has(kMute | kClosing)) return;
  Stream self = handle();
  options_->on_drain(self);
}

// The queue is empty, and more will not come.
void StreamSlot::finish_output() {
  // What is taken over is connected, and nobody confirms what has not been.
  if (has(kConnecting) && (release_descriptor || has(kConfirming))) return;
  if (has(kConfirming)) return finish_confirming();
  if (has(kClosing)) return has(kDraining) && !has(kEndTold) ? finish_draining() : end({});
  if (has(kWriteClosed | kConnecting)) return;
  if (kind == DescriptorKind::kSocket) {
    end_writing();
    return;
  }
  set(kWriteClosed);
  if ((reactor_.kernel().get_status_flags(fd) & O_ACCMODE) == O_WRONLY) {
    end({});  // what can only be written is over with that
  }
}

// 0, or the negative errno of shutdown(2).
int StreamSlot::end_writing() {
  set(kWriteClosed | (has(kEndTold | kEndArrived) ? kEndedFirst : 0U));
  return reactor_.kernel().shutdown(fd, SHUT_WR);
}

void StreamSlot::fire_marks(std::error_code code) {
  if (extra_ == nullptr) return;
  auto& marks = extra_->marks;
  while (!marks.empty() && (code || marks.front().due_at <= extra_->sent_in_all)) {
    auto done = std::move(marks.front().done);
    marks.pop_front();
    if (!has(kMute)) done(code);
  }
}

// --- Exhaustion of the ring

void StreamSlot::relocate(bool all) {
  const TimePoint long_ago = reactor_.turn_time() - kPatience;
  if (held_.bytes() <= kRelocatableBytes || all) relocate_queue(held_);
  if (has(kParts)) relocate_parts();
  const bool moves = !all || last_send_ > long_ago;
  if ((output_.bytes() > kRelocatableBytes && moves) || has(kRelocating)) return;
  if (!has(kSending)) return relocate_queue(output_);
  bool in_ring = false;
  for (SliceNode* node = output_.head(); node != nullptr; node = node->next) {
    in_ring = in_ring || reactor_.turn().ring.owns(node->slice);
  }
  if (!in_ring) return;
  set(kRelocating);
  reactor_.operations().interrupt_send(*this);
}

void StreamSlot::relocate_queue(SliceQueue& queue) {
  for (SliceNode* node = queue.head(); node != nullptr; node = node->next) {
    if (!reactor_.turn().ring.owns(node->slice)) continue;
    try {
      node->slice = Slice::copy_of(node->slice.view());
      reactor_.turn().counters.relocated_bytes += node->slice.size();
    } catch (const std::bad_alloc&) {
      return;  // it stays in the ring
    }
  }
}

}  // namespace eddy
