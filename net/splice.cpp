#include <eddy/core/kernel.h>
#include <eddy/net/splice_internal.h>
#include <errno.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace eddy {
namespace {

// What one direction may move before the others have their turn.
constexpr size_t kBudgetBytes = 1024 * 1024;
constexpr int kBudgetCalls = 32;
// What arrives at once goes through the pipe for less CPU than as slices where it is this large;
// and so many of them tell. By their mean: a message of 64 KiB may arrive as 65,483 bytes and 53.
constexpr size_t kLargeBytes = 16 * 1024;
constexpr size_t kSmallBytes = 8 * 1024;
constexpr size_t kTelling = 6;
constexpr size_t kPageSize = 4096;

}  // namespace

Splice::Splice(StreamSlot& from, StreamSlot& to, SpliceMode mode, Done done)
    : from_(&from), to_(&to), reactor_(from.reactor()), done_(std::move(done)), mode_(mode) {}

Result<Splice*> Splice::start(StreamSlot& from, StreamSlot& to, SpliceMode mode, Done done) {
  if (from.has(StreamSlot::kSpliced)) {
    return std::unexpected(Error(errno_code(EBUSY), "splice", "", "the stream is spliced already"));
  }
  if (&from == &to || &from.reactor() != &to.reactor()) {
    return std::unexpected(
        Error(errno_code(EINVAL), "splice", "", "it takes two streams of one reactor"));
  }
  // splice(2) would lose the descriptors.
  if (from.transfer == Transfer::kDescriptors) mode = SpliceMode::kSlices;
  std::unique_ptr<Splice, void (*)(Splice*)> made(
      new (std::nothrow) Splice(from, to, mode, std::move(done)), [](Splice* s) { delete s; });
  if (made == nullptr || !from.make_extra() || !to.add_part({.splice = made.get()})) {
    return failure(-ENOMEM, "splice");
  }
  Splice& splice = *made.release();
  from.extra_->source_of = &splice;
  from.set(StreamSlot::kSpliced);
  from.clear(StreamSlot::kOnHold);
  if (mode == SpliceMode::kPipe) {
    splice.read_by_hand(true);
  } else {
    from.update_receiving();
  }
  // What had arrived, and what is to be told of its end, goes from there.
  if (from.has(StreamSlot::kEndTold)) splice.source_gone({}, false);
  from.reactor().turn().want_flush(from);
  to.reactor().turn().want_flush(to);
  return &splice;
}

void Splice::take_back() {
  if (from_ != nullptr) leave_source();
  to_->pop_last_part();
  delete this;
}

// --- Told by the stream that is received from

void Splice::on_slice(Slice&& bytes) {
  const size_t size = bytes.size();
  if (to_->closing) return;  // it will tell that it has gone
  to_->queue_ahead(*this, std::move(bytes));
  if (to_->has(StreamSlot::kAboveHigh) && !from_->has(StreamSlot::kSinkFull)) {
    from_->set(StreamSlot::kSinkFull);
    from_->update_receiving();
  }
  if (!by_hand_) judge_size(size);
}

void Splice::on_end(int error) {
  StreamSlot& from = *from_;
  ended_ = true;
  code_ = from.reason_ ? from.reason_ : error < 0 ? errno_code(-error) : std::error_code();
  leave_source();
  reactor_.turn().want_flush(*to_);
  from.input_over(error);
}

void Splice::on_input() {
  awaits_input_ = false;
  pump();
}

void Splice::on_source_ready() {
  if (!awaits_input_) pump();
}

void Splice::source_gone(std::error_code reason, bool muted) {
  muted_ = muted_ || muted;
  if (from_ == nullptr) return;
  ended_ = true;
  code_ = reason;
  leave_source();
  if (!to_->closing) reactor_.turn().want_flush(*to_);
}

void Splice::leave_source() {
  StreamSlot& from = *std::exchange(from_, nullptr);
  from.extra_->source_of = nullptr;
  from.clear(StreamSlot::kSpliced | StreamSlot::kInputByHand | StreamSlot::kSinkFull);
  if (!from.closing) reactor_.turn().want_flush(from);  // it receives as before
}

// --- Told by the stream that is sent to

void Splice::on_room() { pump(); }

void Splice::on_drained() {
  if (from_ == nullptr || !from_->has(StreamSlot::kSinkFull)) return;
  from_->clear(StreamSlot::kSinkFull);
  reactor_.turn().want_flush(*from_);
}

void Splice::stop() {
  if (from_ != nullptr) source_gone(make_error_code(Errc::kClosed), false);
}

void Splice::target_gone(std::error_code reason, bool muted) {
  to_ = nullptr;
  muted_ = muted_ || muted;
  finish(reason ? reason : make_error_code(Errc::kClosed));
}

void Splice::finish(std::error_code code) {
  if (pipe_.is_open()) {
    in_pipe_ == 0 ? reactor_.pipes().give(pipe_) : reactor_.pipes().discard(pipe_);
  }
  if (from_ != nullptr) leave_source();
  if (to_ != nullptr) to_->pop_part();
  Done done = std::move(done_);
  const bool muted = muted_;
  delete this;
  if (done) done(code, muted);
}

// --- Moving

void Splice::read_by_hand(bool by_hand) {
  by_hand_ = by_hand;
  prefers_slices_ = false;
  arrivals_ = arrived_bytes_ = 0;
  if (by_hand) {
    from_->set(StreamSlot::kInputByHand);
  } else {
    from_->clear(StreamSlot::kInputByHand);
  }
  from_->update_receiving();
  if (by_hand && !from_->has(StreamSlot::kConnecting | StreamSlot::kOpening)) {
    await_input(Found::kMore);
  }
}

void Splice::await_input(Found found) {
  if (pipe_.is_open()) reactor_.pipes().give(pipe_);
  awaits_input_ = true;
  took_all_ = false;
  reactor_.operations().await_input(*from_, found);
}

// The pipe is emptied before more is read, so what a call finds says how its own side is: a full
// pipe never looks like an empty socket.
void Splice::pump() {
  size_t budget_bytes = kBudgetBytes;
  for (int calls = kBudgetCalls; to_->takes_from(*this); --calls) {
    if (in_pipe_ != 0) {
      if (!empty_pipe()) return;
      continue;
    }
    if (ended_) return finish(code_);
    if (prefers_slices_) read_by_hand(false);
    if (!can_read()) break;
    if (took_all_) return await_input(Found::kLess);
    if (calls <= 0 || budget_bytes == 0) return await_input(Found::kMore);
    if (!fill_pipe(budget_bytes)) return;
  }
  if (in_pipe_ == 0 && pipe_.is_open()) reactor_.pipes().give(pipe_);
}

bool Splice::can_read() const {
  return by_hand_ && !awaits_input_ && !from_->closing && !from_->is_paused() &&
         !from_->has(StreamSlot::kConnecting | StreamSlot::kOpening);
}

// False: nothing is to be done now.
bool Splice::fill_pipe(size_t& budget_bytes) {
  if (!pipe_.is_open() && reactor_.pipes().take(pipe_) < 0) return copy_from_now_on();
  Turn& turn = reactor_.turn();
  ++turn.counters.system_calls;
  const ssize_t count = turn.kernel.splice_to_pipe(from_->fd, pipe_.writer, pipe_.bytes);
  if (count == -EINTR) return true;
  if (count == -EAGAIN) {
    await_input(Found::kNone);
    return false;
  }
  if (count == -EINVAL) return copy_from_now_on();  // not of this kind
  if (count <= 0) {
    on_end(static_cast<int>(count));
    return true;
  }
  const auto size = static_cast<size_t>(count);
  in_pipe_ = size;
  budget_bytes -= std::min(size, budget_bytes);
  turn.counters.bytes_received += size;
  turn.counters.spliced_bytes += size;
  from_->last_receive_ = reactor_.turn_time();
  // Each piece takes a page of the pipe, so fewer bytes than it has pages were not cut short by it.
  // Else a call that finds nothing tells, unless the waiting itself does.
  const bool is_all = from_->is_tcp && size < pipe_.bytes / kPageSize;
  took_all_ = is_all || (size < pipe_.bytes && reactor_.operations().await_looks());
  judge_size(size);
  return true;
}

bool Splice::copy_from_now_on() {
  mode_ = SpliceMode::kSlices;
  read_by_hand(false);
  return true;
}

void Splice::judge_size(size_t bytes) {
  if (mode_ != SpliceMode::kAuto) return;
  arrived_bytes_ += bytes;
  if (++arrivals_ < kTelling) return;
  const size_t mean = arrived_bytes_ / kTelling;
  arrivals_ = arrived_bytes_ = 0;
  // What is in the pipe goes before any slice, so it is emptied first.
  if (by_hand_) {
    prefers_slices_ = mean < kSmallBytes;
  } else if (mean >= kLargeBytes) {
    read_by_hand(true);
  }
}

// False: there is no room, or no stream any more, and perhaps no Splice.
bool Splice::empty_pipe() {
  Turn& turn = reactor_.turn();
  ++turn.counters.system_calls;
  const ssize_t count = turn.kernel.splice_from_pipe(pipe_.reader, to_->fd, in_pipe_);
  if (count == -EINTR) return true;
  if (count == -EAGAIN) {
    to_->await_room(Found::kNone);
    return false;
  }
  if (count == -EINVAL) return copy_pipe();
  if (count < 0) {
    to_->send_failed(errno_code(static_cast<int>(-count)));
    return false;
  }
  const auto size = static_cast<size_t>(count);
  in_pipe_ -= size;
  to_->last_send_ = reactor_.turn_time();
  turn.counters.bytes_sent += size;
  if (in_pipe_ == 0 || !to_->is_tcp) return true;
  to_->await_room(Found::kLess);
  return false;
}

// What is in the pipe goes to a descriptor that cannot be spliced to (a file opened with O_APPEND).
bool Splice::copy_pipe() {
  std::array<char, 16 * 1024> room;
  const ssize_t count =
      reactor_.kernel().read(pipe_.reader, room.data(), std::min(room.size(), in_pipe_));
  if (count == -EINTR) return true;
  if (count <= 0) {
    to_->send_failed(errno_code(static_cast<int>(-count)));
    return false;
  }
  mode_ = SpliceMode::kSlices;
  in_pipe_ -= static_cast<size_t>(count);
  to_->queue_copy_ahead(*this, {room.data(), static_cast<size_t>(count)});
  reactor_.turn().want_flush(*to_);
  if (in_pipe_ == 0 && from_ != nullptr) read_by_hand(false);
  return true;
}

// --- What users call

Result<void> splice(Stream from, Stream to, const SpliceOptions& options,
                    std::move_only_function<void(std::error_code)> done) {
  StreamSlot* source = StreamSlot::of(from);
  StreamSlot* target = StreamSlot::of(to);
  if (source == nullptr || target == nullptr || !target->can_send()) {
    return std::unexpected(Error(make_error_code(Errc::kClosed), "splice"));
  }
  auto started = Splice::start(*source, *target, options.mode,
                               [done = std::move(done)](std::error_code code, bool muted) mutable {
                                 if (done && !muted) done(code);
                               });
  if (!started) return std::unexpected(std::move(started).error());
  return {};
}

namespace {

struct Relay {
  Stream a;
  Stream b;
  int running = 2;  // directions
  std::error_code failure;

  // Both directions come to an end when one of the streams does.
  void direction_done(Stream from, Stream to, std::error_code code) {
    if (!code && to.is_open()) to.shutdown_write();
    if (code && !failure) failure = code;
    if (code && from.is_open()) from.pause();  // nobody takes what it sends
    if (--running != 0) return;
    for (Stream& stream : {std::ref(a), std::ref(b)}) {
      if (!stream.is_open()) continue;
      const bool abort = failure && failure != make_error_code(Errc::kClosed);
      abort ? stream.reset() : stream.close();
    }
  }
};

}  // namespace

Result<void> relay(Stream a, Stream b, const SpliceOptions& options) {
  StreamSlot* first = StreamSlot::of(a);
  StreamSlot* second = StreamSlot::of(b);
  if (first == nullptr || second == nullptr || !first->can_send() || !second->can_send()) {
    return std::unexpected(Error(make_error_code(Errc::kClosed), "relay"));
  }
  const auto state = std::make_shared<Relay>(Relay{.a = a, .b = b});
  auto there = Splice::start(*first, *second, options.mode, [state](std::error_code code, bool) {
    state->direction_done(state->a, state->b, code);
  });
  if (!there) return std::unexpected(std::move(there).error());
  auto back = Splice::start(*second, *first, options.mode, [state](std::error_code code, bool) {
    state->direction_done(state->b, state->a, code);
  });
  if (back) return {};
  (*there)->take_back();
  return std::unexpected(std::move(back).error());
}

}  // namespace eddy
