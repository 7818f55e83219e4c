// The connection behind the handles of net/seqpacket.h; handles and servers are in seqpacket.cpp,
// this in seqpacket_slot.cpp.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/core/slot.h>
#include <eddy/net/seqpacket.h>

#include <deque>

namespace eddy {

// Who wants to know of a connection's end: a server that counts them.
class SeqpacketOwner {
 public:
  virtual void connection_closed(SeqpacketSlot& slot) = 0;

 protected:
  ~SeqpacketOwner() = default;
};

class SeqpacketSlot final : public Slot {
 public:
  SeqpacketSlot(Reactor& reactor, std::shared_ptr<SeqpacketOptions> options, SeqpacketOwner* owner);
  // Takes a connected descriptor over; at failure the slot is gone, and the descriptor the
  // caller's. 0 or a negative errno.
  int begin(int descriptor);

  // --- Completions
  void on_message(ReceivedMessage&& message) override;
  void on_message_error(int error) override;
  void on_room() override;
  void on_closed() override;
  void flush() override;
  void abandon() override;
  MessageInterest message_interest() const override {
    return {.name = false, .control = false, .message_bytes = options_->max_message_bytes};
  }

  // --- The handle's functions
  bool send(Slice&& bytes);
  void pause();
  void resume();
  bool is_paused() const { return has(kPaused); }
  void shutdown_write();
  void close();
  void reset() { end({}); }
  Reactor& reactor() const { return reactor_; }
  Seqpacket handle() { return Seqpacket(*this); }
  bool accepts_calls() const { return !closing && !has(kClosing); }

  SeqpacketSlot* next_owned = nullptr;  // the owner's list
  SeqpacketSlot* previous_owned = nullptr;
  void disown() { owner_ = nullptr; }

 private:
  enum Flag : uint16_t {
    kOpening = 1,  // on_open is due
    kPaused = 2,
    kReceiving = 4,      // the backend was told to
    kBlocked = 8,        // the kernel takes no more for now
    kRefused = 16,       // a send was, and on_drain is due
    kWriteClosing = 32,  // shutdown_write was called
    kWriteClosed = 64,   // … and done
    kClosing = 128,      // close was called: what is queued is sent first
    kEndArrived = 256,   // no more comes
    kEndTold = 512,      // … and the user knows
    kMute = 1024,        // no callbacks any more
    kDeferred = 2048,    // it goes on sending in the next turn
  };
  struct Held {
    Slice bytes;
    SeqpacketInfo info;
  };
  bool has(unsigned flags) const { return (flags_ & flags) != 0; }
  void set(unsigned flags) { flags_ |= static_cast<uint16_t>(flags); }
  void clear(unsigned flags) { flags_ &= static_cast<uint16_t>(~flags); }

  void open();
  void deliver(Slice&& bytes, const SeqpacketInfo& info);
  void deliver_held();
  void deliver_end();
  void update_receiving();
  void start_sending();
  int send_batch();
  void sent(size_t count);
  void send_failed(int error);
  void go_on_next_turn();
  void finish_output();
  void end(std::error_code reason);

  Reactor& reactor_;
  const std::shared_ptr<SeqpacketOptions> options_;
  SeqpacketOwner* owner_;
  uint16_t flags_ = 0;
  std::deque<Slice> queue_;
  size_t queued_bytes_ = 0;
  std::deque<Held> held_;  // arrived while paused
  std::error_code reason_;
};

}  // namespace eddy
