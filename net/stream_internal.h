// The connection behind the handles: its life, receiving and deadlines are in stream_slot.cpp, its
// output in stream_output.cpp, and what a server's drain asks of it in stream_drain.cpp.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/core/slice_queue.h>
#include <eddy/core/slot.h>
#include <eddy/net/stream.h>

#include <deque>

namespace eddy {

// Closing this socket will be a reset (SO_LINGER of 0, tcp(7)).
void linger_none(Kernel& kernel, int fd);

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
  // An open TCP connection from now on. At failure the slot is gone, and the descriptor the
  // caller's. 0 or a negative errno.
  int begin_accepted(int descriptor);
  // … on a descriptor of any kind; on_open comes in the next turn, since here the user's own call
  // is on the stack.
  int begin_adopted(int descriptor, DescriptorKind descriptor_kind, bool tcp);
  // A TCP connection being made. Its end, good or bad, comes by callbacks; at failure the slot is
  // gone, and the descriptor the caller's.
  int begin_connect(int descriptor, const Address& address, std::chrono::nanoseconds timeout);
  // Frees a slot that was never begun.
  void discard();

  StreamSlot(Reactor& reactor, std::shared_ptr<StreamOptions> options, StreamOwner* owner);
  ~StreamSlot() override;

  // --- Completions
  void on_receive(Slice&& bytes) override;
  void on_receive_end(int error) override;
  void on_send(int result) override;
  void on_connect(int result) override;
  void on_closed() override;
  void flush() override;
  void relocate(bool all) override;
  void abandon() override;
  SliceQueue* output() override { return &output_; }

  // --- The handle's functions
  bool send(Slice&& bytes);
  bool send_copy(std::string_view bytes);
  bool send_marked(Slice&& bytes, std::move_only_function<void(std::error_code)> done);
  bool commit(size_t count);
  void pause();
  void resume();
  bool is_paused() const { return has(kPausedByUser); }
  void shutdown_write();
  void close();
  void drain();  // as close, but what has been sent is not put at risk by a reset
  void reset();
  void release(InlineFunction<void(int)> taker);
  size_t queued_bytes() const { return output_.bytes(); }
  Reactor& reactor() const { return reactor_; }
  void* state_memory();
  const StreamOptions& options() const { return *options_; }
  Stream handle() { return Stream(*this); }
  bool accepts_calls() const { return !closing && !has(kClosing); }

  StreamSlot* next_owned = nullptr;  // the owner's list
  StreamSlot* previous_owned = nullptr;
  void disown() { owner_ = nullptr; }

 private:
  enum Flag : uint16_t {
    kConnecting = 1,
    kPausedByUser = 2,
    kPausedByOutput = 4,
    kReceiving = 8,    // the backend was told to
    kSending = 16,     // the backend has a part of output_
    kAboveHigh = 32,   // output_ has passed the high watermark and not yet come down to the low one
    kEndArrived = 64,  // no more comes; end_error_ says why; not told to the user yet
    kWriteClosing = 128,  // shutdown_write was called
    kWriteClosed = 256,   // … and done
    kClosing = 512,       // close was called: what is queued is sent first
    kRelocating = 1024,   // the send under way was interrupted for `relocate`
    kMute = 2048,         // no callbacks any more
    kFlags = 4096,        // the descriptor's status flags were changed, and are to be restored
    kEndTold = 8192,      // the user knows that no more comes
    kOpening = 16384,     // on_open is due
    kDraining = 32768,    // closing, and not before the peer has all
  };
  struct Mark;   // a `done` of a send
  struct Extra;  // what few streams have

  bool has(unsigned flags) const { return (flags_ & flags) != 0; }
  void set(unsigned flags) { flags_ |= static_cast<uint16_t>(flags); }
  void clear(unsigned flags) { flags_ &= static_cast<uint16_t>(~flags); }
  bool can_send() const { return !closing && !has(kWriteClosing | kClosing); }

  void opened();
  void queue(Slice&& bytes);
  bool mark(size_t bytes, std::move_only_function<void(std::error_code)> done);
  void hold(Slice&& bytes);
  void deliver(Slice&& bytes);
  void deliver_held();
  void deliver_end();
  void update_receiving();
  void start_sending();
  void sent(size_t count);
  void send_failed(std::error_code reason);
  void finish_output();
  void finish_draining();
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

  Reactor& reactor_;
  std::shared_ptr<StreamOptions> options_;
  StreamOwner* owner_;
  SliceQueue output_;
  SliceQueue held_;  // arrived while paused
  uint16_t flags_ = 0;
  int end_error_ = 0;
  std::error_code reason_;
  TimerId timer_{};
  TimePoint last_receive_{};
  TimePoint last_send_{};
  std::unique_ptr<Extra> extra_;
};

// A `done` is due when so many bytes in all have been taken.
struct StreamSlot::Mark {
  uint64_t due_at;
  std::move_only_function<void(std::error_code)> done;
};

struct StreamSlot::Extra {
  uint64_t queued_in_all = 0;  // counted from the first mark on
  uint64_t sent_in_all = 0;
  std::deque<Mark> marks;
  InlineFunction<void(int)> taker;
  TimePoint connect_deadline = TimePoint::max();
  int status_flags = 0;
};

}  // namespace eddy
