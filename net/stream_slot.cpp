#include <eddy/core/check.h>
#include <eddy/core/kernel.h>
#include <eddy/net/connect_attempts_internal.h>
#include <eddy/net/splice_internal.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <algorithm>

namespace eddy {

constexpr size_t kMostOnHoldBytes = 64 * 1024;

// --- Beginning and end

StreamSlot::StreamSlot(Reactor& reactor, std::shared_ptr<StreamOptions> options, StreamOwner* owner)
    : reactor_(reactor), options_(std::move(options)), owner_(owner) {}

StreamSlot* StreamSlot::make(Reactor& reactor, std::shared_ptr<StreamOptions> options,
                             StreamOwner* owner) {
  EDDY_REQUIRE(options != nullptr, "a stream was to be made with null for its StreamOptions");
  const StreamState state = options->state;
  auto* slot = reactor.make_slot<StreamSlot>(state.size, reactor, std::move(options), owner);
  if (slot != nullptr && state.size != 0) state.construct(SlotPool::extra_of(slot));
  return slot;
}

StreamSlot::~StreamSlot() {
  if (options_->state.size != 0) options_->state.destroy(SlotPool::extra_of(this));
}

void* StreamSlot::state_memory() { return SlotPool::extra_of(this); }

bool StreamSlot::make_extra() {
  if (extra_ != nullptr) return true;
  try {
    extra_ = std::make_unique<Extra>();
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

void StreamSlot::discard() {
  set(kMute);
  reactor_.retire(*this);
}

int StreamSlot::begin_accepted(int descriptor, bool tcp) {
  fd = descriptor;
  is_tcp = tcp;
  is_shared = false;
  choose_transfer();
  if (const int failed = reactor_.operations().add(*this); failed < 0) {
    discard();
    return failed;
  }
  opened();
  return 0;
}

int StreamSlot::begin_adopted(int descriptor, DescriptorKind descriptor_kind, bool tcp) {
  fd = descriptor;
  kind = descriptor_kind;
  is_tcp = tcp;
  choose_transfer();
  const int flags = reactor_.kernel().get_status_flags(fd);
  const bool blocks = flags >= 0 && (flags & O_NONBLOCK) == 0;
  int failed = blocks && !make_extra() ? -ENOMEM : reactor_.claim(fd);
  is_claimed = failed == 0;
  if (failed == 0) failed = reactor_.operations().add(*this);
  if (failed < 0) {
    if (is_claimed) reactor_.disclaim(fd);
    discard();
    return failed;
  }
  // Nothing comes from a terminal that is open for writing alone; reading it would be an error.
  const bool write_only = flags >= 0 && (flags & O_ACCMODE) == O_WRONLY;
  if (write_only && kind == DescriptorKind::kTerminal) set(kEndTold);
  if (blocks) {
    reactor_.kernel().set_status_flags(fd, flags | O_NONBLOCK);
    extra_->status_flags = flags;
    set(kFlags);
  }
  set(kOpening);
  reactor_.turn().want_flush(*this);
  return 0;
}

void StreamSlot::begin_connect(int descriptor, bool tcp, std::shared_ptr<const Address> address,
                               std::chrono::nanoseconds timeout) {
  fd = descriptor;
  is_tcp = tcp;
  choose_transfer();
  set(kConnecting);
  connect_to_ = std::move(address);
  reactor_.operations().connect(*this, connect_to_->data(), connect_to_->size());
  connect_within(timeout);
}

void StreamSlot::begin_attempts(std::unique_ptr<ConnectAttempts> attempts,
                                std::chrono::nanoseconds timeout) {
  if (!make_extra()) throw std::bad_alloc();
  extra_->attempts = std::move(attempts);
  set(kConnecting | kOpening);
  connect_within(timeout);
  reactor_.turn().want_flush(*this);
}

void StreamSlot::connect_within(std::chrono::nanoseconds timeout) {
  if (timeout <= std::chrono::nanoseconds::zero()) return;
  connect_by_ = after(reactor_.now(), timeout);
  arm_timer();
}

void StreamSlot::attempt_failed(const std::function<void(Stream&, const Error&)>& told,
                                const Error& error) {
  if (!told || closing || has(kMute)) return;
  Stream self = handle();
  told(self, error);
}

void StreamSlot::take_over(Slot& attempt) {
  is_tcp = attempt.is_tcp;
  choose_transfer();
  reactor_.operations().hand_over(attempt, *this);
}

void StreamSlot::on_connect(int result) {
  if (result < 0) return end(errno_code(-result));
  clear(kConnecting);
  connect_to_.reset();
  opened();
}

std::optional<Error> StreamSlot::connect_error() const {
  if (!has(kConnecting) || !reason_) return std::nullopt;
  return connect_error(reason_);
}

Error StreamSlot::connect_error(std::error_code reason) const {
  if (extra_ != nullptr && extra_->attempts != nullptr) return extra_->attempts->error(reason);
  return {reason, "connect", connect_to_->to_string()};
}

void StreamSlot::opened() {
  last_receive_ = last_send_ = reactor_.now();
  if (options_->total_timeout.count() > 0) {
    end_by_ = std::min(end_by_, after(last_send_, options_->total_timeout));
  }
  arm_timer();
  if (options_->on_open && !has(kMute | kClosing | kOpenTold) && !closing) {
    Stream self = handle();
    options_->on_open(self);
  }
  if (closing) return;
  update_receiving();
  if (!output_.empty() || has(kWriteClosing | kClosing | kParts | kSpliced)) {
    reactor_.turn().want_flush(*this);
  }
}

// Starts the end: nothing but on_close comes after this.
void StreamSlot::end(std::error_code reason) {
  if (closing) return;
  reason_ = reason;
  if (reason) release_descriptor = false;
  // A clean end would tell the peer that it has everything.
  if (reason && has_output()) linger_none();
  if (extra_ != nullptr && extra_->attempts != nullptr) extra_->attempts->stop();
  if (timer_) reactor_.cancel_timer(timer_);
  if (is_claimed) reactor_.disclaim(fd);
  if (has(kFlags)) reactor_.kernel().set_status_flags(fd, extra_->status_flags);
  reactor_.operations().close(*this);
}

// What this stream cannot go on without was not to be had: it is lost, and nothing else. Nobody
// takes its descriptor over, since what had arrived may not all be delivered.
void StreamSlot::out_of_memory() {
  release_descriptor = false;
  reason_ = errno_code(ENOMEM);
  if (!closing) linger_none();
  end(reason_);
}

void StreamSlot::on_closed() {
  auto& slices = reactor_.turn().slices;
  output_.clear(slices);
  SharedBytes unread = keeps_unread() ? take_held() : SharedBytes();
  drop_attached();
  while (release_descriptor && !held_.empty()) deliver(held_.pop(slices));
  held_.clear(slices);
  // The options outlive the callbacks even if these destroy the server.
  const std::shared_ptr<StreamOptions> options = options_;
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->stream_closed(*this);
  if (has(kParts | kSpliced)) end_splices();
  fire_marks(reason_ ? reason_ : make_error_code(Errc::kClosed));
  if (has(kMute)) {
    if (release_descriptor) reactor_.kernel().close(fd);  // nobody is there to take it
  } else {
    if (keeps_unread()) {
      extra_->unread_taker(fd, std::move(unread));
    } else if (release_descriptor) {
      extra_->taker(fd);
    } else if (options->on_close) {
      Stream self = handle();
      options->on_close(self, reason_);
    }
  }
  reactor_.retire(*this);
}

void StreamSlot::abandon() {
  set(kMute);
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->stream_closed(*this);
  end({});
}

void StreamSlot::close() {
  if (closing || has(kClosing)) return;
  if (has(kParts | kSpliced)) stop_splices();
  set(kClosing);
  held_.clear(reactor_.turn().slices);
  update_receiving();
  reactor_.turn().want_flush(*this);
}

void linger_none(Kernel& kernel, int fd) {
  const linger abort = {.l_onoff = 1, .l_linger = 0};
  kernel.setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

void refuse_connection(Reactor& reactor, int fd) {
  ++reactor.turn().counters.accept_failures;
  linger_none(reactor.kernel(), fd);
  reactor.kernel().close(fd);
}

void StreamSlot::linger_none() {
  if (kind == DescriptorKind::kSocket && fd >= 0) eddy::linger_none(reactor_.kernel(), fd);
}

void StreamSlot::reset() {
  if (closing) return;
  release_descriptor = false;
  linger_none();
  // Without a code, a close that was to be confirmed would be.
  end(has(kConfirming) ? make_error_code(Errc::kClosed) : std::error_code());
}

// --- Receiving

void StreamSlot::on_receive(Slice&& bytes) {
  last_receive_ = reactor_.turn_time();
  if (has(kUndelivered | kClosing | kSpliced) || !held_.empty()) [[unlikely]] {
    if (has(kClosing) && !release_descriptor) return;
    const bool passes = has(kSpliced) && !is_held_up() && held_.empty();
    return passes ? extra_->source_of->on_slice(std::move(bytes)) : hold(std::move(bytes));
  }
  deliver(std::move(bytes));
}

void StreamSlot::hold(Slice&& bytes) {
  try {
    held_.push(reactor_.turn().slices, std::move(bytes));
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  if (has(kOnHold) && held_.bytes() >= kMostOnHoldBytes) pause();
}

void StreamSlot::deliver(Slice&& bytes) {
  if (!options_->on_data || has(kMute)) return;
  Stream self = handle();
  options_->on_data(self, std::move(bytes));
}

void StreamSlot::on_receive_end(int error) {
  clear(kReceiving);
  set(kEndArrived);
  end_error_ = error;
  if (is_held_up() || !held_.empty()) return;
  deliver_end();
}

// The data first, then the end, whichever it is.
void StreamSlot::deliver_held() {
  if (keeps_unread() && (!has(kEndArrived) || end_error_ >= 0)) return;
  while (!held_.empty() && !closing && !is_held_up()) {
    Slice bytes = held_.pop(reactor_.turn().slices);
    has(kSpliced) ? extra_->source_of->on_slice(std::move(bytes)) : deliver(std::move(bytes));
  }
  if (held_.empty() && has(kEndArrived) && !is_held_up()) deliver_end();
}

void StreamSlot::deliver_end() {
  if (closing) return;
  clear(kEndArrived);
  if (has(kSpliced)) return extra_->source_of->on_end(end_error_);
  if (reason_) return end(reason_);  // a send has met it before
  if (end_error_ < 0) return end(errno_code(-end_error_));
  set(kEndTold);
  if (has(kDraining)) return reactor_.turn().want_flush(*this);
  if (has(kMute | kClosing) || !options_->on_end) return close();
  Stream self = handle();
  options_->on_end(self);
}

void StreamSlot::pause() {
  if (has(kClosing)) return;
  set(kPausedByUser);
  update_receiving();
}

void StreamSlot::hold() {
  // Descriptors are told of when they are read, and their bytes would be held back.
  if (transfer == Transfer::kDescriptors) return pause();
  if (!has(kClosing)) set(kOnHold);
}

void StreamSlot::resume() {
  if (!has(kPausedByUser | kOnHold)) return;
  clear(kPausedByUser | kOnHold);
  reactor_.turn().want_flush(
      *this);  // what was held is delivered from there, not from inside this call
}

void StreamSlot::update_receiving() {
  // A stream that is closing reads on while its queue is being taken, and drops what comes: a peer
  // that is held up with its own output would never take ours.
  const bool drops = (has(kDraining) || has_output()) && !release_descriptor;
  const bool awaited = has(kClosing) ? drops : may_receive();
  const bool receives =
      !closing && awaited && !has(kConnecting | kOpening | kEndArrived | kEndTold);
  if (receives == has(kReceiving)) return;
  if (receives) {
    set(kReceiving);
    if (options_->read_timeout.count() > 0) {
      reading_since_ = reactor_.now();
      arm_timer();
      if (closing) return;
    }
    reactor_.operations().receive(*this);
  } else {
    clear(kReceiving);
    if (!closing) reactor_.operations().stop_receiving(*this);
  }
}

// --- Deadlines

// When the stream is late, as far as can be told now.
TimePoint StreamSlot::deadline() const {
  if (has(kConnecting)) return std::min(connect_by_, end_by_);
  TimePoint due = end_by_;
  if (options_->idle_timeout.count() > 0) {
    due = std::min(due, after(std::max(last_receive_, last_send_), options_->idle_timeout));
  }
  if (options_->read_timeout.count() > 0 && has(kReceiving) && !has(kClosing)) {
    due = std::min(due, after(std::max(last_receive_, reading_since_), options_->read_timeout));
  }
  if (options_->stall_timeout.count() > 0 && has_output()) {
    due = std::min(due, after(last_send_, options_->stall_timeout));
  }
  return due;
}

// One timer for all of them: it fires at the earliest that could be due, and looks whether it is.
// What moves a deadline only notes the time, which costs the hot path a store.
void StreamSlot::arm_timer() {
  const TimePoint due = deadline();
  if (due == TimePoint::max()) return;
  if (timer_ && reactor_.timers().restart(timer_, due)) return;
  timer_ = reactor_.start_timer_at(due, [this] { check_deadlines(); }, {.referenced = false});
  if (!timer_) out_of_memory();  // it would wait for ever
}

void StreamSlot::check_deadlines() {
  if (reactor_.turn_time() >= deadline()) return end(make_error_code(Errc::kTimedOut));
  arm_timer();
}

}  // namespace eddy
