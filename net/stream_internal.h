// The connection behind the handles: its life, receiving and deadlines are in stream_slot.cpp, its
// output in stream_output.cpp, descriptors that go along in stream_descriptors.cpp, how it goes
// from one reactor to another in stream_release.cpp, and what a server's drain asks of it in
// stream_drain.cpp.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/core/slice_queue.h>
#include <eddy/core/slot.h>
#include <eddy/net/stream.h>

#include <deque>
#include <optional>
#include <span>
#include <vector>

namespace eddy {

class ConnectAttempts;

// Closing this socket will be a reset (SO_LINGER of 0, tcp(7)).
void linger_none(Kernel& kernel, int fd);
// No memory: this connection is lost, and nothing else. By a reset: an end of input would tell the
// peer that there was nothing to come.
void refuse_connection(Reactor& reactor, int fd);

class Splice;

// Who made a stream and wants to know of its end: a server that counts its connections.
class StreamOwner {
 public:
  virtual void stream_closed(StreamSlot& stream) = 0;

 protected:
  ~StreamOwner() = default;
};

class StreamSlot final : public Slot {
 public:
  // The slot with the user's state in it; the descriptor is the caller's until `begin` or
  // `begin_connect`. nullptr: no memory.
  static StreamSlot* make(Reactor& reactor, std::shared_ptr<StreamOptions> options,
                          StreamOwner* owner);
  // An open connection from now on, of TCP or a Unix socket. At failure the slot is gone, and the
  // descriptor the caller's. 0 or a negative errno.
  int begin_accepted(int descriptor, bool tcp);
  // … on a descriptor of any kind; on_open comes in the next turn, since here the user's own call
  // is on the stack.
  int begin_adopted(int descriptor, DescriptorKind descriptor_kind, bool tcp);
  // … on a connection that another reactor had, and that is not the user's.
  int begin_taken(int descriptor, bool tcp);
  // A connection being made. Its end, good or bad, comes by callbacks. The address is kept for what
  // is told of a failure.
  void begin_connect(int descriptor, bool tcp, std::shared_ptr<const Address> address,
                     std::chrono::nanoseconds timeout);
  // … whose sockets are made by `attempts`, from the next turn on: it has no descriptor before one
  // of them has connected. No longer than `timeout` in all; 0 is for ever. Throws std::bad_alloc.
  void begin_attempts(std::unique_ptr<ConnectAttempts> attempts, std::chrono::nanoseconds timeout);
  void attempt_failed(const std::function<void(Stream&, const Error&)>& told, const Error& error);
  void take_over(Slot& attempt);
  void connect_failed(std::error_code reason) { end(reason); }
  // Frees a slot that was never begun.
  void discard();

  StreamSlot(Reactor& reactor, std::shared_ptr<StreamOptions> options, StreamOwner* owner);
  ~StreamSlot() override;

  // --- Completions
  void on_receive(Slice&& bytes) override;
  void on_receive_end(int error) override;
  void on_send(int result) override;
  void on_connect(int result) override;
  void on_input() override;
  void on_room() override;
  void on_closed() override;
  void flush() override;
  void relocate(bool all) override;
  void abandon() override;
  SliceQueue* output() override { return &output_; }
  void on_descriptors(std::span<const int> descriptors, bool truncated) override;
  Attachment attachment() const override;
  void attachment_sent() override;

  // --- The handle's functions
  bool send(Slice&& bytes);
  bool send_copy(std::string_view bytes);
  bool send_marked(Slice&& bytes, std::move_only_function<void(std::error_code)> done);
  Result<void> send_file(const FileRange& range,
                         std::move_only_function<void(std::error_code)> done);
  bool send_descriptors(Slice&& bytes, std::span<const int> descriptors);
  bool commit(size_t count);
  void pause();
  void hold();
  void resume();
  bool is_full() const { return has(kAboveHigh); }
  bool is_paused() const { return has(kPausedByUser); }
  void shutdown_write();
  void close();
  void drain();  // as close, but what has been sent is not put at risk by a reset
  void close_confirmed(std::chrono::nanoseconds deadline);
  void reset();
  void release(InlineFunction<void(int)> taker);
  void release_unread(InlineFunction<void(int, SharedBytes)> taker);
  void begin_with(Slice&& unread);  // of a stream that has just begun: received before
  // … that it was opened where it came from: no on_open.
  void begin_opened() { set(kOpenTold); }
  bool has_opened() const { return has(kOpenTold) || !has(kConnecting | kOpening); }
  size_t queued_bytes() const { return output_.bytes() + (has(kParts) ? bytes_in_parts() : 0); }
  Reactor& reactor() const { return reactor_; }
  void* state_memory();
  const StreamOptions& options() const { return *options_; }
  Stream handle() { return Stream(*this); }
  std::optional<Error> connect_error() const;
  // … of a connection that is still being made, if it ended so: with what has failed up to now.
  Error connect_error(std::error_code reason) const;
  bool accepts_calls() const { return !closing && !has(kClosing); }
  bool can_send() const { return !closing && !has(kWriteClosing | kClosing); }
  // That of a handle, while it accepts calls; else null.
  static StreamSlot* of(const Stream& stream) { return stream.is_open() ? stream.slot_ : nullptr; }

  StreamSlot* next_owned = nullptr;  // the owner's list
  StreamSlot* previous_owned = nullptr;
  void disown() { owner_ = nullptr; }

 private:
  friend class Splice;
  enum Flag : uint32_t {
    kConnecting = 1,  // … and still set when the stream ends without having stood
    kPausedByUser = 2,
    kPausedByOutput = 4,
    kReceiving = 8,    // the backend was told to
    kSending = 16,     // the backend has a part of output_
    kAboveHigh = 32,   // output_ has passed the high watermark and not yet come down to the low one
    kEndArrived = 64,  // no more comes; end_error_ says why; not told to the user yet
    kWriteClosing = 128,     // shutdown_write was called
    kWriteClosed = 256,      // … and done
    kClosing = 512,          // close was called: what is queued is sent first
    kRelocating = 1024,      // the send under way was interrupted for `relocate`
    kMute = 2048,            // no callbacks any more
    kFlags = 4096,           // the descriptor's status flags were changed, and are to be restored
    kEndTold = 8192,         // the user knows that no more comes
    kOpening = 16384,        // on_open is due
    kDraining = 32768,       // closing, and not before the peer has all
    kOnHold = 65536,         // `hold`: received, but not delivered
    kConfirming = 131072,    // kDraining, and tells whether the peer has
    kEndedFirst = 262144,    // the peer's end came before ours
    kParts = 1 << 19,        // behind output_ there is a part that is no slices
    kAwaitsRoom = 1 << 20,   // … which met a full socket
    kSpliced = 1 << 21,      // what arrives goes to a Splice
    kInputByHand = 1 << 22,  // … which reads it itself
    kSinkFull = 1 << 23,     // … whose target takes no more now
    kOpenTold = 1 << 24,     // on_open was called before this slot had the connection
    kUndelivered = kPausedByUser | kPausedByOutput | kOnHold,
  };
  struct Mark;      // a `done` of a send
  struct Attached;  // descriptors of a send
  struct Part;      // of the output
  struct Extra;     // what few streams have

  bool has(unsigned flags) const { return (flags_ & flags) != 0; }
  void set(unsigned flags) { flags_ |= flags; }
  void clear(unsigned flags) { flags_ &= ~flags; }

  void connect_within(std::chrono::nanoseconds timeout);
  void choose_transfer();
  void opened();
  void begin_release();
  bool keeps_unread() const;
  SharedBytes take_held();
  void queue(Slice&& bytes);
  bool mark(size_t bytes, std::move_only_function<void(std::error_code)> done);
  void begin_counting();
  bool attach(std::span<const int> descriptors);
  void drop_attached();
  void hold(Slice&& bytes);
  void deliver(Slice&& bytes);
  void deliver_held();
  void deliver_end();
  void update_receiving();
  void start_sending();
  void sent(size_t count);
  void tell_drained();
  void came_down();
  bool has_output() const { return !output_.empty() || (has(kParts) && bytes_in_parts() != 0); }
  // Backpressure is a Splice's own affair.
  bool is_too_full() const { return has(kPausedByOutput) && !has(kSpliced); }
  bool may_receive() const {
    return !has(kPausedByUser | kInputByHand | kSinkFull) && !is_too_full();
  }
  bool is_held_up() const { return has(kPausedByUser | kOnHold) || is_too_full(); }
  void send_failed(std::error_code reason);
  void finish_output();
  void finish_draining();
  void finish_confirming();
  int end_writing();
  bool peer_acknowledged_all() const;
  bool peer_has_all() const;
  void relocate_queue(SliceQueue& queue);
  void end(std::error_code reason);
  void linger_none();
  void out_of_memory();
  void fire_marks(std::error_code code);
  TimePoint deadline() const;
  void arm_timer();
  void check_deadlines();
  bool make_extra();  // false: no memory

  // --- Parts of the output that are no slices: stream_file.cpp
  size_t bytes_in_parts() const;
  void drained_parts();
  void relocate_parts();
  bool add_part(Part&& part);  // false: no memory
  void pop_part();
  void pop_last_part();  // behind which nothing was sent
  void drop_parts(std::error_code reason);
  void queue_behind(Slice&& bytes);
  void queue_ahead(const Splice& splice, Slice&& bytes);
  void queue_copy_ahead(const Splice& splice, std::string_view bytes);
  void count_ahead(const Splice& splice, size_t bytes);
  void note_queued();
  void send_parts();
  bool send_file_part();
  bool copy_file_part(size_t most);
  void file_sent(size_t count);
  bool takes_from(const Splice& splice) const;
  void await_room(Found found);
  void stop_splices();
  void end_splices();
  void input_over(int error);

  Reactor& reactor_;
  std::shared_ptr<StreamOptions> options_;
  std::shared_ptr<const Address> connect_to_;  // until the connection stands
  StreamOwner* owner_;
  SliceQueue output_;
  SliceQueue held_;  // arrived while paused
  uint32_t flags_ = 0;
  int end_error_ = 0;
  std::error_code reason_;
  TimerId timer_{};
  TimePoint last_receive_{};
  TimePoint last_send_{};
  TimePoint reading_since_{};
  TimePoint connect_by_ = TimePoint::max();
  TimePoint end_by_ = TimePoint::max();
  std::unique_ptr<Extra> extra_;
};

// A `done` is due when so many bytes in all have been taken.
struct StreamSlot::Mark {
  uint64_t due_at;
  std::move_only_function<void(std::error_code)> done;
};

struct StreamSlot::Attached {
  uint64_t at;  // so many bytes in all go before them
  std::vector<int> descriptors;
};

// What is sent between slices: a file, or what another stream receives.
struct StreamSlot::Part {
  FileRange file{};  // what is left of it
  Splice* splice = nullptr;
  SliceQueue behind{};  // what was sent after it
  uint64_t at = 0;      // while bytes are counted: so many in all go before it
};

struct StreamSlot::Extra {
  bool counts() const { return !marks.empty() || !attached.empty(); }

  std::deque<Part> parts;
  Splice* source_of = nullptr;
  uint64_t queued_in_all = 0;  // see `begin_counting`
  uint64_t sent_in_all = 0;
  std::deque<Mark> marks;
  std::deque<Attached> attached;
  InlineFunction<void(int)> taker;
  InlineFunction<void(int, SharedBytes)> unread_taker;  // in its place
  int status_flags = 0;
  std::unique_ptr<ConnectAttempts> attempts;
};

inline bool StreamSlot::keeps_unread() const {
  return release_descriptor && bool{extra_->unread_taker};
}

}  // namespace eddy
