// A connection of bytes in order: over TCP or a Unix socket, or over a pipe or a terminal that the
// user hands in.
//
// What it is: `Stream` is a handle. The connection itself lives in its reactor until its on_close;
// handles are small, may be copied and kept, and destroying one does nothing. Its `StreamOptions`,
// callbacks and limits, are shared by all connections of one server or connector.
//
// Callbacks, of one stream, in this order: on_open; then on_data, on_end and on_drain; on_close
// last, once, when nothing of the stream is under way any more, with an empty code for a clean end.
// None is called from inside a call of the user's. Any of them may close, reset or write to this
// stream or another.
//
// Backpressure, the same on every backend: what is sent waits in the stream's queue until the peer
// takes it. Above the high watermark the stream stops reading its peer (unless told otherwise),
// until the queue has come down to the low one: then on_drain. A stream whose queue would pass the
// hard limit is ended with Errc::kOverLimit: bytes are never dropped silently.
//
// Threads: the reactor's alone. A stale handle (after on_close) makes every function do nothing,
// and stops a debug build of eddy (core/check.h); `is_open` may always be asked.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/inline_function.h>
#include <eddy/core/slice.h>
#include <eddy/net/address.h>
#include <eddy/net/credentials.h>
#include <eddy/net/descriptors.h>
#include <stddef.h>
#include <stdint.h>

#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace eddy {

class Reactor;
class Stream;
class StreamSlot;

// The user's own object in each connection, made with it, in the same allocation: `.state =
// eddy::state_of<Session>()`. It is default-constructed before on_open, or before on_close where a
// connect fails, and destroyed once on_close has returned; with its reactor or its server, where
// no on_close comes.
struct StreamState {
  size_t size = 0;
  void (*construct)(void*) = nullptr;
  void (*destroy)(void*) = nullptr;
};
template <typename T>
const StreamState& state_of() {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                "state_of<T>: T is the type of an object in each connection, neither const nor a "
                "reference");
  static_assert(std::is_default_constructible_v<T>,
                "state_of<T>: T needs a default constructor, since eddy makes one for each "
                "connection; fill it in on_open");
  static_assert(std::is_nothrow_destructible_v<T>,
                "state_of<T>: T needs a destructor that is accessible and does not throw");
  static_assert(alignof(T) <= alignof(max_align_t),
                "state_of<T>: T is aligned to more than max_align_t: keep it behind a "
                "std::unique_ptr in T");
  static const StreamState state = {.size = sizeof(T),
                                    .construct = [](void* memory) noexcept { new (memory) T(); },
                                    .destroy = [](void* memory) { static_cast<T*>(memory)->~T(); }};
  return state;
}

// Callbacks and limits. Move-only, since the callbacks are: std::move it into one server or
// connector. To use the same for several, make it shared, `auto options =
// std::make_shared<eddy::StreamOptions>(…)`, and give that to each. It must not be changed while a
// stream uses it.
struct StreamOptions {
  // The connection stands. Without it, nothing happens.
  InlineFunction<void(Stream&)> on_open{};
  // Bytes arrived, as they lie where the kernel put them. Without it they are dropped.
  InlineFunction<void(Stream&, Slice)> on_data{};
  // Descriptors arrived with the bytes that on_data brings next, where `max_descriptors` asks for
  // them: with those bytes or before their end, as a read does not go past what descriptors came
  // with (unix(7)). While the stream is paused they wait in the kernel. Without it they are closed.
  InlineFunction<void(Stream&, ReceivedDescriptors&)> on_descriptors{};
  // The peer has finished sending; sending to it goes on. Without it, the stream closes once its
  // queue is empty.
  InlineFunction<void(Stream&)> on_end{};
  // The queue has come down to the low watermark, after having passed the high one. Also when it
  // was dropped, because the peer is gone, while reading is paused or on hold: nothing else would
  // tell of that before `resume`.
  InlineFunction<void(Stream&)> on_drain{};
  // The end: no code after `close`; ECONNRESET and its like, Errc::kTimedOut, Errc::kOverLimit
  // else. A connection that never stood has no on_open before this.
  InlineFunction<void(Stream&, std::error_code)> on_close{};

  StreamState state{};

  size_t high_watermark_bytes = 1024 * 1024;
  size_t low_watermark_bytes = 256 * 1024;
  size_t hard_limit_bytes = 64 * 1024 * 1024;
  // Go on reading though the queue is above the high watermark. For who sends and receives at once,
  // as a pipelining client or a load generator: when both peers stop reading above their mark, each
  // waits for the other for ever, and who refills the queue in on_drain never reads in between.
  bool read_while_full = false;
  // Limits in time; 0 is never. Each ends the stream with Errc::kTimedOut, and what its queue still
  // holds is dropped. Idle: nothing arrived and nothing was taken for so long. Stalled: the queue
  // is not empty, and the peer has taken nothing for so long.
  std::chrono::nanoseconds idle_timeout{0};
  std::chrono::nanoseconds stall_timeout{0};
  // Read: nothing arrived for so long, counted while the stream reads: not while it is paused, by
  // the user or by its queue. Total: the connection stands for so long, whatever it does.
  std::chrono::nanoseconds read_timeout{0};
  std::chrono::nanoseconds total_timeout{0};
  bool no_delay = true;  // TCP_NODELAY
  // Over a Unix socket, descriptors may be sent, and arrive: at most so many with one message, 253
  // at the most (SCM_MAX_FD). 0: they are not passed, and those that a peer sends are closed by the
  // kernel. Such a stream is read and written by calls of its own, on every backend.
  size_t max_descriptors = 0;
};

// The same options for several servers, connectors and adopted streams: what a
// std::shared_ptr<StreamOptions> becomes where it is given to one. A type of its own, so that `{}`
// is read as StreamOptions.
struct SharedStreamOptions {
  SharedStreamOptions(std::shared_ptr<StreamOptions> shared)  // NOLINT(google-explicit-constructor)
      : options(std::move(shared)) {}
  std::shared_ptr<StreamOptions> options;
};

// A part of a file that is open for reading. Its descriptor must stay open, and its position is not
// touched, until it has been sent or the stream has ended (`done` tells); several streams may send
// from it at once.
struct FileRange {
  int descriptor = -1;
  int64_t offset = 0;
  uint64_t length = UINT64_MAX;  // this: up to where the file ends now
  bool close_after = false;      // the stream closes the descriptor, once it needs it no more
};

class Stream {
 public:
  Stream() = default;

  // Not closed, and not being closed.
  bool is_open() const;

  // --- Sending. What is sent in one callback, or in one turn, leaves together. True: the bytes are
  // queued, all of them. False, and they are dropped: after `shutdown_write`, `close` or `reset`;
  // and when the queue would pass the hard limit, with which the stream is being ended.
  bool send(Slice bytes);
  bool send(std::string_view bytes);  // copies them
  // `done` is called when the kernel has taken the bytes (no code), or when the stream ends before
  // that. After false it is not called.
  bool send(Slice bytes, std::move_only_function<void(std::error_code)> done);
  // … with descriptors, over a Unix socket and with `max_descriptors`: the receiver gets duplicates
  // of them with the first of the bytes, of which there is at least one. They are the stream's from
  // this call on, whatever it returns, and closed once they are sent, or cannot be any more. (With
  // a stale handle they stay the caller's.) False also before a connection stands that is tried
  // several times.
  bool send_descriptors(Slice bytes, std::span<const int> descriptors);
  // A part of a file, in order among what else is sent, which does not enter user space
  // (sendfile(2)): the kernel sends what the file has when its turn comes. Where it refuses, the
  // bytes are copied (Counters::copied_bytes). Its bytes are not memory: they count in
  // `queued_bytes` and the watermarks, not in the hard limit. The loop waits for a disk that does
  // not have them cached. `done` as above. Fails where the range does not lie in the file
  // (Errc::kTruncated), after `shutdown_write`, `close` or `reset` (Errc::kClosed), and for what is
  // no file; the descriptor is then the caller's. If the file turns out to be shorter when its turn
  // comes, or cannot be read, the stream is reset and ends with Errc::kTruncated, or with that
  // error.
  Result<void> send_file(const FileRange& range,
                         std::move_only_function<void(std::error_code)> done = {});
  // Room for at least `least` bytes, valid until the next call of eddy; `commit` sends the first
  // `count` of them. Of a stale handle the room is empty, and when there is no memory; that of a
  // stream which sends no more is as large as any, and `commit` drops what is in it.
  std::span<char> reserve(size_t least);
  bool commit(size_t count);
  // Bytes that wait in the queue or in the kernel's hands, those of files included.
  size_t queued_bytes() const;
  // The queue has passed the high watermark, and on_drain is to come.
  bool is_full() const;

  // --- Receiving. After `pause` no on_data and no on_end comes until `resume`; what had arrived is
  // kept.
  void pause();
  // As `pause`, but reading goes on until some 64 KiB are kept: for who is about to resume, since
  // the kernel need not be told of it.
  void hold();
  void resume();
  bool is_paused() const;  // by `pause`

  // --- Ending
  // Sends what is queued, then the end of input: the peer's reads end, it may go on sending
  // (shutdown(2), SHUT_WR).
  void shutdown_write();
  // Sends what is queued, then closes. Nothing is received any more: what arrives until the queue
  // is empty is dropped. Input that the kernel still holds then makes the close a reset (RFC 1122,
  // section 4.2.2.13), which may cost the peer what it has not read yet: where it may still be
  // sending, `shutdown_write` first and close in on_end. While connecting: what is queued is sent
  // once the connection stands, and there is no on_open.
  void close();
  // Closes, and tells in on_close whether the peer has read to the end of what was sent, which
  // close(2) leaves open: sends what is queued, then the end of input (shutdown(2), SHUT_WR), drops
  // what still comes, and waits for the peer's own end, at most `deadline` from now. No code: it
  // came, after ours. Errc::kTimedOut: it did not come in time. ECONNRESET and its like: the peer
  // has thrown away something, or is gone. Errc::kEndOfInput: the peer ended before all of it, and
  // our end, had reached it, so that it confirms nothing. Errc::kClosed: `reset` was called
  // meanwhile. A peer that ends its own input to us without reading what has reached its kernel
  // cannot be told from one that has read it: this is a question to peers that end because we did.
  void close_confirmed(std::chrono::nanoseconds deadline);
  // Drops what is queued and aborts the connection: the peer sees a reset (SO_LINGER of 0, tcp(7)).
  // A Unix socket knows none: there the peer sees the end, or ECONNRESET if some of what it sent
  // was not read.
  void reset();
  // Gives the descriptor back, once nothing of it is under way: `taker` then owns it, in the place
  // of on_close. What had arrived is delivered first; what is queued is sent first. A pipe's or
  // terminal's own status flags are restored. Where the stream ends before that, by an error or by
  // `reset`, it is closed as ever: on_close comes, and `taker` is not called.
  void release(InlineFunction<void(int descriptor)> taker);
  // As `release`, but nothing is delivered from now on: what had been received and was not
  // delivered goes to the taker, copied, and comes before what the descriptor still holds. An end
  // of input that was told before is read from it once more. Not after `shutdown_write`.
  void release_unread(InlineFunction<void(int descriptor, SharedBytes unread)> taker);

  // --- Looking
  // Asked of the kernel each time (getsockname(2), getpeername(2)); accepting asks for neither.
  Result<Address> local_address() const;
  Result<Address> peer_address() const;
  // In the on_close of a connection that did not come to be: why, with the attempts that were made
  // and what they met, the last of them if they were many (ConnectOptions). Nothing of any other
  // stream.
  std::optional<Error> connect_error() const;
  // Of a Unix socket's: net/credentials.h.
  Result<PeerCredentials> peer_credentials() const;
  Result<int> peer_process() const;
  int descriptor() const;  // for getsockopt(2) and its like; stays the stream's
  Reactor& reactor() const;
  // The object that `StreamOptions::state` described. It is there in every callback of this stream,
  // on_close included, and in `Server::for_each`. T must be that type, and the handle not stale:
  // anything else stops the program, in every build.
  template <typename T>
  T& state() const {
    return *static_cast<T*>(state_memory(state_of<T>().construct));
  }
  bool operator==(const Stream&) const = default;

 private:
  friend class StreamSlot;
  explicit Stream(StreamSlot& slot);
  StreamSlot* find() const;
  void* state_memory(void (*construct)(void*)) const;
  StreamSlot* slot_ = nullptr;
  uint32_t generation_ = 0;
};

// Drives a descriptor that the user hands in: a pipe, a terminal, or a connected socket. The stream
// owns it from then on. Fails with ENOTCONN for a listening or an unconnected socket, and with
// Errc::kUnsupported for what has no readiness to wait for (a regular file, a directory, a device
// such as /dev/null) and for sockets of messages (SOCK_DGRAM, SOCK_SEQPACKET); the descriptor is
// then still the user's. A pipe's or a terminal's status
// flags are shared with whoever else has it open (O_NONBLOCK, open(2)); they are restored when the
// stream ends.
Result<Stream> adopt(Reactor& reactor, int descriptor, StreamOptions options);
// `unread` is received first.
Result<Stream> adopt(Reactor& reactor, int descriptor, SharedStreamOptions shared,
                     Slice unread = {});

}  // namespace eddy
