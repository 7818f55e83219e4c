// A stream in coroutines.
//
// What it is: a Stream (stream.h), whose callbacks have become awaits. Results are values:
//  - Errc::kEndOfInput: the peer has finished sending. Sending to it goes on.
//  - What ended the stream otherwise: ECONNRESET and its like, Errc::kTimedOut, Errc::kOverLimit.
//  - Errc::kClosed: it was closed or reset here. EPIPE: sending has ended, by the peer or by
//    `shutdown_write`.
//  - The code of a cancellation (task.h), after which the stream is as it was: the part of a
//    message that had arrived is received next.
//
// Backpressure: what nobody awaits is not read: some 64 KiB (`Stream::hold`), then the kernel's
// buffers fill and the peer waits. A send waits while the queue is above the high watermark.
// `StreamOptions::read_while_full` is therefore always on.
//
// Memory: what is received is given as it lies where the kernel put it. A message that straddles
// slices is gathered in memory of its own, and what a coroutine has not asked for when it turns to
// something else is moved out of the buffer ring.
//
// Ownership: an AsyncStream owns its connection: destroying it closes it, as `Stream::close` does.
// It must not outlive its reactor. One coroutine at a time receives; any number may send. It may be
// moved while none does either. Threads: the reactor's alone.
#pragma once

#include <eddy/core/framing.h>
#include <eddy/net/await.h>
#include <eddy/net/stream.h>
#include <stddef.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace eddy {

class AsyncStream {
 public:
  class Receive;
  class Send;
  class Close;

  AsyncStream() = default;  // of nothing: closed
  AsyncStream(AsyncStream&& other) noexcept;
  AsyncStream& operator=(AsyncStream&& other) noexcept;
  ~AsyncStream();

  // As eddy::adopt. Of `options`, here and wherever an AsyncStream is made: the limits and the
  // deadlines; the callbacks and the state are eddy's own.
  static Result<AsyncStream> adopt(Reactor& reactor, int descriptor, StreamOptions options = {});

  // --- Receiving: Result<Slice>
  // What has arrived, at least a byte.
  [[nodiscard]] Receive receive();
  // So many bytes in one piece. Less than that before the end is Errc::kEndOfInput, and `receive`
  // then gives them.
  [[nodiscard]] Receive receive_exactly(size_t count);
  // What stands before the next delimiter, in one piece; the delimiter, which is not empty and must
  // live as long as the await, is dropped. Errc::kOverLimit where that is more than `limit` bytes.
  [[nodiscard]] Receive receive_until(std::string_view delimiter, size_t limit);
  // Bytes that have arrived and that the last await has left.
  size_t buffered_bytes() const { return rest_.size() + partial_.size(); }

  // --- Sending: Result<void>
  // Queued: at once while the queue is below the high watermark, else once it has come down to the
  // low one. One that is cancelled while it waits stays queued. What `stream().send`, `reserve` and
  // `commit` queue goes the same way, without waiting.
  [[nodiscard]] Send send(Slice bytes);
  [[nodiscard]] Send send(std::string_view bytes);  // copies them
  void shutdown_write();

  // --- Ending
  // Sends what is queued, closes, and waits for that: Result<void>.
  [[nodiscard]] Close close();
  void reset();
  // Why nothing more is received; no code: it goes on.
  std::error_code end() const { return end_; }

  // The connection, for what needs no waiting, and for what has no await of its own (send_file,
  // close_confirmed). Stale once it has ended.
  Stream stream() const { return stream_; }

  // --- For who makes AsyncStreams
  // With the callbacks that an AsyncStream needs.
  static StreamOptions with_callbacks(StreamOptions options);
  // Of a stream with such options.
  explicit AsyncStream(Stream stream);
  // An await that goes on when the stream stands, or with the reason why it does not.
  class Opening : public Await {
   protected:
    Opening() = default;
    Opening(Opening&&) = default;
    ~Opening() override = default;
    // What has been met, of a connect that did not end well: the address, and each attempt.
    const std::optional<Error>& met() const { return met_; }

   private:
    friend AsyncStream;
    std::optional<Error> met_;
  };
  void set_opening(Opening* opening) { opening_ = opening; }
  void give_up_opening();

 private:
  // In each connection: who has it.
  struct Owner {
    AsyncStream* stream = nullptr;
  };
  class SenderLink : public ListLink {};

  static void on_open(Stream& stream);
  static void on_data(Stream& stream, Slice bytes);
  void on_end();
  void on_drain();
  void on_close(std::error_code reason);
  static AsyncStream* owner_of(Stream& stream) { return stream.state<Owner>().stream; }
  bool has_ended() const { return end_ && end_ != Errc::kEndOfInput; }
  bool is_awaited() const;
  void end_receiving(std::error_code code);
  void end_sending(std::error_code code);
  void end_closing(std::error_code code);
  void let_go();
  void take_from(AsyncStream& other);
  void put_on_hold();
  void stop_receiving();
  Slice take_buffered();
  void leave_ring();

  Stream stream_;
  bool is_attached_ = false;  // the connection is there, and this is its owner
  bool on_hold_ = true;       // perhaps
  bool write_closed_ = false;
  std::error_code end_ = make_error_code(Errc::kClosed);
  PartialFrame partial_;  // the beginning of a message, before …
  Slice rest_;            // … what has arrived behind one
  Receive* receiving_ = nullptr;
  Close* closing_ = nullptr;
  Opening* opening_ = nullptr;
  ListLink sending_;
};

class [[nodiscard]] AsyncStream::Receive final : public Await {
 public:
  Receive(Receive&&) = default;
  ~Receive() override { Receive::detach(); }
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  [[nodiscard]] Result<Slice> await_resume() {
    if (code()) [[unlikely]]
      return std::unexpected<Error>(std::in_place, code(), "receive");
    return std::move(bytes_);
  }

 private:
  friend AsyncStream;
  enum class Kind : uint8_t { kAny, kExactly, kUntil };
  Receive(AsyncStream& stream, Kind kind, size_t size, std::string_view delimiter = {})
      : stream_(&stream), kind_(kind), size_(size), delimiter_(delimiter) {}
  bool take(Slice&& arrived);
  bool take_or_fail(Slice&& arrived);
  size_t end_in(std::string_view arrived) const;
  size_t most_bytes() const;
  void detach() override {
    if (stream_ != nullptr && stream_->receiving_ == this) stream_->stop_receiving();
    stream_ = nullptr;
  }

  AsyncStream* stream_;  // null once that need not be there any more
  Kind kind_;
  size_t size_;  // kExactly: what is wanted; kUntil: the limit
  std::string_view delimiter_;
  Slice bytes_;
};

class [[nodiscard]] AsyncStream::Send final : public Await, private SenderLink {
 public:
  Send(Send&&) = default;
  ~Send() override = default;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  [[nodiscard]] Result<void> await_resume() {
    if (code()) [[unlikely]]
      return std::unexpected<Error>(std::in_place, code(), "send");
    return {};
  }

 private:
  friend AsyncStream;
  Send(AsyncStream& stream, Slice bytes) : stream_(&stream), bytes_(std::move(bytes)) {}
  Send(AsyncStream& stream, std::string_view text) : stream_(&stream), text_(text), copies_(true) {}
  void detach() override { static_cast<SenderLink&>(*this).unlink(); }

  AsyncStream* stream_;
  Slice bytes_;
  std::string_view text_;
  bool copies_ = false;
};

class [[nodiscard]] AsyncStream::Close final : public Await {
 public:
  Close(Close&&) = default;
  ~Close() override { Close::detach(); }
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  [[nodiscard]] Result<void> await_resume() {
    if (code()) return std::unexpected<Error>(std::in_place, code(), "close");
    return {};
  }

 private:
  friend AsyncStream;
  explicit Close(AsyncStream& stream) : stream_(&stream) {}
  void detach() override {
    if (stream_ != nullptr && stream_->closing_ == this) stream_->closing_ = nullptr;
    stream_ = nullptr;
  }

  AsyncStream* stream_;
};

inline AsyncStream::Receive AsyncStream::receive() { return {*this, Receive::Kind::kAny, 0}; }
inline AsyncStream::Receive AsyncStream::receive_exactly(size_t count) {
  return {*this, Receive::Kind::kExactly, count};
}
inline AsyncStream::Receive AsyncStream::receive_until(std::string_view delimiter, size_t limit) {
  return {*this, Receive::Kind::kUntil, limit, delimiter};
}
inline AsyncStream::Send AsyncStream::send(Slice bytes) { return {*this, std::move(bytes)}; }
inline AsyncStream::Send AsyncStream::send(std::string_view bytes) { return {*this, bytes}; }
inline AsyncStream::Close AsyncStream::close() { return Close(*this); }

}  // namespace eddy
