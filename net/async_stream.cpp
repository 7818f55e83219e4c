#include <eddy/core/check.h>
#include <eddy/core/reactor.h>
#include <eddy/net/async_stream.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>

#include <algorithm>
#include <new>

namespace eddy {

constexpr size_t kMoreIsNeeded = SIZE_MAX;

// --- Receive

// kUntil: with the delimiter.
size_t AsyncStream::Receive::most_bytes() const {
  return std::min(size_, SIZE_MAX / 2) + delimiter_.size();
}

// How many of the arrived bytes complete it.
size_t AsyncStream::Receive::end_in(std::string_view arrived) const {
  const std::string_view held = stream_->partial_.view();
  if (kind_ == Kind::kExactly) {
    const size_t missing = size_ - held.size();
    return arrived.size() < missing ? kMoreIsNeeded : missing;
  }
  const size_t end =
      end_of_delimiter(held, arrived.substr(0, most_bytes() - held.size()), delimiter_);
  return end == 0 ? kMoreIsNeeded : end;
}

// True: it is complete, or beyond its limit. False: all the bytes are kept, and more are needed.
bool AsyncStream::Receive::take(Slice&& arrived) {
  if (kind_ == Kind::kAny) {  // nothing is held, or it would have been given
    bytes_ = std::move(arrived);
    return true;
  }
  PartialFrame& partial = stream_->partial_;
  const size_t end = end_in(arrived.view());
  if (end == kMoreIsNeeded) {
    partial.append(arrived.view(), kind_ == Kind::kExactly ? size_ : UINT64_MAX);
    const bool too_much = kind_ == Kind::kUntil && partial.size() >= most_bytes();
    if (too_much) set_code(make_error_code(Errc::kOverLimit));
    return too_much;
  }
  if (partial.empty()) {
    bytes_ = arrived.subslice(0, end);
  } else {
    partial.append(arrived.view().substr(0, end), partial.size() + end);
    bytes_ = partial.finish(0);
  }
  arrived.remove_prefix(end);
  if (!arrived.empty()) stream_->rest_ = std::move(arrived);
  if (kind_ != Kind::kUntil) return true;
  bytes_ = bytes_.subslice(0, bytes_.size() - delimiter_.size());
  return true;
}

// Without memory for a message the stream is lost, since a part of it is.
bool AsyncStream::Receive::take_or_fail(Slice&& arrived) {
  try {
    return take(std::move(arrived));
  } catch (const std::bad_alloc&) {
    set_code(errno_code(ENOMEM));
    stream_->reset();
    stream_->end_ = code();
    return true;
  }
}

bool AsyncStream::Receive::await_ready() {
  if (cancelled()) return true;
  EDDY_REQUIRE_ALWAYS(stream_->receiving_ == nullptr,
                      "two coroutines received from one AsyncStream at once");
  const bool wants_nothing = kind_ == Kind::kExactly && size_ == 0;
  if (wants_nothing || stream_->buffered_bytes() != 0) {
    if (take_or_fail(wants_nothing ? Slice() : stream_->take_buffered())) return true;
  }
  set_code(stream_->end_);
  return static_cast<bool>(code());
}

void AsyncStream::Receive::await_suspend(std::coroutine_handle<> waiting) {
  suspend(waiting);
  stream_->receiving_ = this;
  if (std::exchange(stream_->on_hold_, false)) stream_->stream_.resume();
}

// --- Send, close

bool AsyncStream::Send::await_ready() {
  if (cancelled()) return true;
  if (stream_->has_ended()) {
    set_code(stream_->end_);
    return true;
  }
  Stream& stream = stream_->stream_;
  if (copies_ ? stream.send(text_) : stream.send(std::move(bytes_))) return !stream.is_full();
  if (!stream.is_open()) return false;  // it is being ended: by what, on_close will tell
  set_code(errno_code(EPIPE));
  return true;
}

void AsyncStream::Send::await_suspend(std::coroutine_handle<> waiting) {
  suspend(waiting);
  stream_->sending_.push_back(static_cast<SenderLink&>(*this));
}

bool AsyncStream::Close::await_ready() {
  if (!stream_->is_attached_) {
    set_code(stream_->end_);
    return true;
  }
  EDDY_REQUIRE_ALWAYS(stream_->closing_ == nullptr,
                      "two coroutines closed one AsyncStream at once");
  stream_->stream_.close();
  stream_->end_receiving(make_error_code(Errc::kClosed));
  return cancelled();
}

void AsyncStream::Close::await_suspend(std::coroutine_handle<> waiting) {
  suspend(waiting);
  stream_->closing_ = this;
}

// --- The stream

AsyncStream::AsyncStream(Stream stream) : stream_(stream), is_attached_(true), end_() {
  stream_.state<Owner>().stream = this;
  stream_.hold();  // one that was moved (move_stream.h) has no on_open
}

AsyncStream::AsyncStream(AsyncStream&& other) noexcept { take_from(other); }

AsyncStream& AsyncStream::operator=(AsyncStream&& other) noexcept {
  if (this == &other) return *this;
  let_go();
  take_from(other);
  return *this;
}

AsyncStream::~AsyncStream() { let_go(); }

void AsyncStream::take_from(AsyncStream& other) {
  EDDY_REQUIRE_ALWAYS(!other.is_awaited(), "an AsyncStream was moved while a coroutine awaits it");
  stream_ = std::exchange(other.stream_, {});
  is_attached_ = std::exchange(other.is_attached_, false);
  on_hold_ = other.on_hold_;
  write_closed_ = other.write_closed_;
  end_ = std::exchange(other.end_, make_error_code(Errc::kClosed));
  partial_ = std::exchange(other.partial_, {});
  rest_ = std::move(other.rest_);
  if (is_attached_) stream_.state<Owner>().stream = this;
}

void AsyncStream::let_go() {
  if (std::exchange(is_attached_, false)) {
    stream_.state<Owner>().stream = nullptr;
    stream_.close();
  }
  const std::error_code closed = make_error_code(Errc::kClosed);
  end_receiving(closed);
  end_sending(closed);
  end_closing(closed);
}

bool AsyncStream::is_awaited() const {
  return receiving_ != nullptr || closing_ != nullptr || opening_ != nullptr ||
         !sending_.is_alone();
}

Result<AsyncStream> AsyncStream::adopt(Reactor& reactor, int descriptor, StreamOptions options) {
  auto stream = eddy::adopt(reactor, descriptor, with_callbacks(std::move(options)));
  if (!stream) return std::unexpected(stream.error());
  return AsyncStream(*stream);
}

void AsyncStream::shutdown_write() {
  if (!is_attached_) return;
  write_closed_ = true;
  stream_.shutdown_write();
}

void AsyncStream::reset() {
  if (!is_attached_) return;
  stream_.reset();
  end_receiving(make_error_code(Errc::kClosed));
}

void AsyncStream::give_up_opening() {
  Opening* opening = std::exchange(opening_, nullptr);
  const StreamSlot* slot = StreamSlot::of(stream_);
  if (opening != nullptr && slot != nullptr) opening->met_ = slot->connect_error({});
  reset();
}

// What was kept, in one piece.
Slice AsyncStream::take_buffered() {
  return partial_.empty() ? std::exchange(rest_, {}) : partial_.finish(0);
}

void AsyncStream::stop_receiving() {
  receiving_ = nullptr;
  if (is_attached_) put_on_hold();
}

void AsyncStream::put_on_hold() {
  on_hold_ = true;
  stream_.hold();
}

// Nobody knows for how long it will lie: it must not keep a segment from everybody else.
void AsyncStream::leave_ring() {
  Turn& turn = stream_.reactor().turn();
  if (rest_.empty() || !turn.ring.owns(rest_)) return;
  try {
    rest_ = Slice::copy_of(rest_.view());
    turn.counters.relocated_bytes += rest_.size();
  } catch (const std::bad_alloc&) {
    return;  // it stays there
  }
}

// From any call: who waits goes on later.
void AsyncStream::end_receiving(std::error_code code) {
  end_ = code;
  if (receiving_ == nullptr) return;
  receiving_->stream_ = nullptr;
  std::exchange(receiving_, nullptr)->resume_later(code);
}

void AsyncStream::end_closing(std::error_code code) {
  if (closing_ == nullptr) return;
  closing_->stream_ = nullptr;
  std::exchange(closing_, nullptr)->resume_later(code);
}

void AsyncStream::end_sending(std::error_code code) {
  while (!sending_.is_alone()) {
    auto& link = static_cast<SenderLink&>(sending_.front());
    link.unlink();
    static_cast<Send&>(link).resume_later(code);
  }
}

// --- Callbacks

StreamOptions AsyncStream::with_callbacks(StreamOptions options) {
  EDDY_REQUIRE(!options.on_open && !options.on_data && !options.on_end && !options.on_drain &&
                   !options.on_close && options.state.size == 0,
               "an AsyncStream was given callbacks or a state: coroutines take their place");
  options.on_open = &AsyncStream::on_open;
  options.on_data = &AsyncStream::on_data;
  options.on_end = [](Stream& stream) {
    if (AsyncStream* self = owner_of(stream)) self->on_end();
  };
  options.on_drain = [](Stream& stream) {
    if (AsyncStream* self = owner_of(stream)) self->on_drain();
  };
  options.on_close = [](Stream& stream, std::error_code reason) {
    if (AsyncStream* self = owner_of(stream)) self->on_close(reason);
  };
  options.state = state_of<Owner>();
  options.read_while_full = true;
  return options;
}

void AsyncStream::on_open(Stream& stream) {
  AsyncStream* self = owner_of(stream);
  if (self == nullptr || self->receiving_ == nullptr) stream.hold();
  if (self != nullptr && self->opening_ != nullptr)
    std::exchange(self->opening_, nullptr)->resume();
}

// While nobody receives, the stream is on hold, and this is not called.
void AsyncStream::on_data(Stream& stream, Slice bytes) {
  Owner& owner = stream.state<Owner>();
  if (owner.stream == nullptr) return;  // it is closing
  Receive* receive = owner.stream->receiving_;
  if (!receive->take_or_fail(std::move(bytes))) return;
  owner.stream->receiving_ = nullptr;
  receive->resume();
  // By now it may have been moved or destroyed.
  AsyncStream* self = owner.stream;
  if (self == nullptr || self->receiving_ != nullptr) return;
  self->put_on_hold();
  self->leave_ring();
}

void AsyncStream::on_end() { end_receiving(make_error_code(Errc::kEndOfInput)); }

// Or the queue was dropped: then nothing can be sent any more.
void AsyncStream::on_drain() {
  const bool dropped = !write_closed_ && !stream_.send(Slice());
  end_sending(dropped ? errno_code(EPIPE) : std::error_code());
}

void AsyncStream::on_close(std::error_code reason) {
  is_attached_ = false;
  if (opening_ != nullptr) opening_->met_ = stream_.connect_error();
  stream_ = {};
  const std::error_code end = reason ? reason : make_error_code(Errc::kClosed);
  if (opening_ != nullptr) std::exchange(opening_, nullptr)->resume_later(end);
  end_receiving(reason || !has_ended() ? end : end_);
  end_sending(reason);
  end_closing(reason);
}

}  // namespace eddy
