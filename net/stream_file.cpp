// The parts of a stream's output that are no slices: files, and what is spliced from another
// stream. Slices that were sent before the first part are in output_, and go first; each part keeps
// those that were sent behind it.
#include <eddy/core/kernel.h>
#include <eddy/net/splice_internal.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>

#include <algorithm>
#include <string>
#include <utility>

namespace eddy {

// What one stream may send of files before the others have their turn.
constexpr size_t kFileBudgetBytes = 1024 * 1024;

size_t StreamSlot::bytes_in_parts() const {
  size_t bytes = 0;
  for (const Part& part : extra_->parts) {
    bytes += part.behind.bytes();
    bytes += part.splice == nullptr ? part.file.length : part.splice->held_bytes();
  }
  return bytes;
}

bool StreamSlot::add_part(Part&& part) {
  if (!make_extra()) return false;
  part.at = extra_->queued_in_all;
  try {
    extra_->parts.push_back(std::move(part));
  } catch (const std::bad_alloc&) {
    return false;
  }
  set(kParts);
  return true;
}

// The first one is over: what was sent behind it is next.
void StreamSlot::pop_part() {
  output_ = extra_->parts.front().behind;
  extra_->parts.pop_front();
  if (extra_->parts.empty()) clear(kParts);
  reactor_.turn().want_flush(*this);
}

void StreamSlot::pop_last_part() {
  extra_->parts.pop_back();
  if (extra_->parts.empty()) clear(kParts);
}

// The stream sends no more.
void StreamSlot::drop_parts(std::error_code reason) {
  while (!extra_->parts.empty()) {
    Part part = std::move(extra_->parts.front());
    extra_->parts.pop_front();
    part.behind.clear(reactor_.turn().slices);
    if (part.splice != nullptr) {
      part.splice->target_gone(reason, has(kMute));
    } else if (part.file.close_after) {
      reactor_.kernel().close(part.file.descriptor);
    }
  }
  clear(kParts | kAwaitsRoom);
}

// --- Queueing

void StreamSlot::queue_behind(Slice&& bytes) {
  try {
    extra_->parts.back().behind.push(reactor_.turn().slices, std::move(bytes));
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  note_queued();
}

// What a Splice has received as slices goes before it.
void StreamSlot::queue_ahead(const Splice& splice, Slice&& bytes) {
  auto& parts = extra_->parts;
  const auto own = std::ranges::find(parts, &splice, &Part::splice);
  SliceQueue& queue = own == parts.begin() ? output_ : std::prev(own)->behind;
  if (!has_output() && options_->stall_timeout.count() > 0) last_send_ = reactor_.now();
  if (extra_->counts()) count_ahead(splice, bytes.size());
  try {
    queue.push(reactor_.turn().slices, std::move(bytes));
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  note_queued();
}

// What was sent behind the Splice is due so much later.
void StreamSlot::count_ahead(const Splice& splice, size_t bytes) {
  auto part = std::ranges::find(extra_->parts, &splice, &Part::splice);
  const uint64_t at = part->at;
  for (; part != extra_->parts.end(); ++part) part->at += bytes;
  for (Mark& mark : extra_->marks) mark.due_at += mark.due_at > at ? bytes : 0;
  for (Attached& attached : extra_->attached) attached.at += attached.at >= at ? bytes : 0;
  extra_->queued_in_all += bytes;
}

void StreamSlot::queue_copy_ahead(const Splice& splice, std::string_view bytes) {
  try {
    reactor_.turn().counters.copied_bytes += bytes.size();
    queue_ahead(splice, Slice::copy_of(bytes));
  } catch (const std::bad_alloc&) {
    out_of_memory();
  }
}

// The hard limit is for memory, so for slices alone.
void StreamSlot::note_queued() {
  size_t in_memory = output_.bytes();
  for (const Part& part : extra_->parts) in_memory += part.behind.bytes();
  if (in_memory > options_->hard_limit_bytes) {
    ++reactor_.turn().counters.over_limit;
    return end(make_error_code(Errc::kOverLimit));
  }
  if (queued_bytes() > options_->high_watermark_bytes) {
    set(kAboveHigh);
    if (!options_->read_while_full) {
      set(kPausedByOutput);
      update_receiving();
    }
  }
  reactor_.turn().want_flush(*this);
}

Result<void> StreamSlot::send_file(const FileRange& range,
                                   std::move_only_function<void(std::error_code)> done) {
  const auto subject = [&] { return "fd " + std::to_string(range.descriptor); };
  if (!can_send()) return std::unexpected(Error(make_error_code(Errc::kClosed), "sendfile"));
  const int64_t size = reactor_.kernel().file_size(range.descriptor);
  if (size < 0) return failure(static_cast<int>(size), "fstat", subject());
  if (range.offset < 0) return failure(-EINVAL, "sendfile", subject(), "an offset is not negative");
  const bool begins_in_it = range.offset <= size;
  const uint64_t most = begins_in_it ? static_cast<uint64_t>(size - range.offset) : 0;
  FileRange part = range;
  if (range.length == UINT64_MAX) part.length = most;
  if (!begins_in_it || part.length > most) {
    return std::unexpected<Error>(std::in_place, Errc::kTruncated, "sendfile", subject(),
                                  "it has " + std::to_string(size) + " bytes");
  }
  if (!has_output() && options_->stall_timeout.count() > 0) last_send_ = reactor_.now();
  const bool is_marked = static_cast<bool>(done);
  if (is_marked && !mark(part.length, std::move(done))) {
    out_of_memory();
    return failure(-ENOMEM, "sendfile", subject());
  }
  if (!add_part({.file = part})) {
    if (is_marked) extra_->marks.pop_back();
    out_of_memory();
    return failure(-ENOMEM, "sendfile", subject());
  }
  extra_->queued_in_all += part.length;
  note_queued();
  return {};
}

// --- Sending

// Its turn has come: all that was sent before it has been taken.
bool StreamSlot::takes_from(const Splice& splice) const {
  return !closing && has(kParts) && extra_->parts.front().splice == &splice && output_.empty() &&
         !has(kSending | kConnecting | kOpening | kAwaitsRoom);
}

void StreamSlot::send_parts() {
  while (has(kParts) && output_.empty() && !closing && !has(kSending | kConnecting | kAwaitsRoom)) {
    if (Splice* splice = extra_->parts.front().splice) return splice->on_room();
    if (!send_file_part()) return;
  }
}

void StreamSlot::await_room(Found found) {
  set(kAwaitsRoom);
  reactor_.operations().await_room(*this, found);
  if (options_->stall_timeout.count() > 0) arm_timer();
}

void StreamSlot::on_room() {
  clear(kAwaitsRoom);
  if (has(kParts)) send_parts();
  if (!output_.empty()) reactor_.turn().want_flush(*this);
}

void StreamSlot::on_input() {
  if (has(kInputByHand)) extra_->source_of->on_input();
}

// False: not now.
bool StreamSlot::send_file_part() {
  FileRange& file = extra_->parts.front().file;
  Turn& turn = reactor_.turn();
  for (size_t budget_bytes = kFileBudgetBytes; file.length != 0;) {
    if (budget_bytes == 0) {
      await_room(Found::kMore);
      return false;
    }
    const size_t asked = std::min<uint64_t>(file.length, budget_bytes);
    ++turn.counters.system_calls;
    const ssize_t count = turn.kernel.sendfile(fd, file.descriptor, file.offset, asked);
    if (count == -EINTR) continue;
    if (count == -EAGAIN) {
      await_room(Found::kNone);
      return false;
    }
    if (count == -EINVAL || count == -EOPNOTSUPP) return copy_file_part(asked);
    if (count <= 0) {
      send_failed(count == 0 ? make_error_code(Errc::kTruncated)
                             : errno_code(static_cast<int>(-count)));
      return false;
    }
    budget_bytes -= static_cast<size_t>(count);
    turn.counters.bytes_sent += static_cast<size_t>(count);
    turn.counters.spliced_bytes += static_cast<size_t>(count);
    file_sent(static_cast<size_t>(count));
    if (closing || !has(kParts)) return false;  // `done` and on_drain may do anything
  }
  if (file.close_after) reactor_.kernel().close(file.descriptor);
  pop_part();
  return true;
}

void StreamSlot::file_sent(size_t count) {
  extra_->parts.front().file.length -= count;
  extra_->sent_in_all += count;
  last_send_ = reactor_.turn_time();
  fire_marks({});
  if (has(kAboveHigh)) came_down();
}

// What cannot be mapped is read, a piece a turn: it becomes a slice, which goes first.
bool StreamSlot::copy_file_part(size_t most) {
  FileRange& file = extra_->parts.front().file;
  const std::span<char> room = reactor_.output_room().reserve(1);
  const size_t asked = std::min(most, room.size());
  if (asked == 0) {
    out_of_memory();
    return false;
  }
  const ssize_t count = reactor_.kernel().pread(file.descriptor, room.data(), asked, file.offset);
  if (count == -EINTR) return true;
  if (count <= 0) {
    send_failed(count == 0 ? make_error_code(Errc::kTruncated)
                           : errno_code(static_cast<int>(-count)));
    return false;
  }
  const auto size = static_cast<size_t>(count);
  file.offset += count;
  file.length -= size;
  reactor_.turn().counters.copied_bytes += size;
  try {
    output_.push(reactor_.turn().slices, reactor_.output_room().commit(size));
  } catch (const std::bad_alloc&) {
    out_of_memory();
    return false;
  }
  await_room(Found::kMore);
  return false;
}

// --- Splices

void StreamSlot::drained_parts() {
  for (Part& part : extra_->parts) {
    if (part.splice != nullptr) part.splice->on_drained();
  }
}

void StreamSlot::relocate_parts() {
  for (Part& part : extra_->parts) relocate_queue(part.behind);
}

// The owner closes the stream: what is on its way goes first, no more is read.
void StreamSlot::stop_splices() {
  if (has(kSpliced)) extra_->source_of->source_gone(make_error_code(Errc::kClosed), false);
  if (!has(kParts)) return;
  for (Part& part : extra_->parts) {
    if (part.splice != nullptr) part.splice->stop();
  }
}

// The stream is closed.
void StreamSlot::end_splices() {
  const std::error_code reason = reason_ ? reason_ : make_error_code(Errc::kClosed);
  if (has(kSpliced)) extra_->source_of->source_gone(reason, has(kMute));
  if (has(kParts)) drop_parts(reason);
}

// As `deliver_end`, of input that a Splice has taken.
void StreamSlot::input_over(int error) {
  if (reason_) return end(reason_);
  if (error < 0) return end(errno_code(-error));
  set(kEndTold);
  if (has(kDraining)) reactor_.turn().want_flush(*this);
}

}  // namespace eddy
