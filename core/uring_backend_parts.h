// The io_uring backend's parts: what it starts is in uring_backend.cpp, what completes in
// uring_completions.cpp, messages are in uring_messages.cpp.
#pragma once

#include <eddy/core/kernel.h>
#include <eddy/core/readiness_io.h>
#include <eddy/core/uring_arena.h>
#include <eddy/core/uring_backend.h>
#include <eddy/core/uring_buffers.h>
#include <eddy/core/uring_direct.h>
#include <eddy/core/uring_queue.h>
#include <eddy/core/uring_zero_copy.h>

#include <memory>
#include <optional>
#include <vector>

namespace eddy {

class UringBackend final : public Backend {
 public:
  UringBackend(Turn& turn, const UringBackendOptions& options, std::unique_ptr<UringQueue> queue)
      : turn_(turn),
        kernel_(turn.kernel),
        options_(options),
        buffers_(turn.ring),
        queue_(std::move(queue)),
        direct_(*queue_),
        zero_copy_(turn.slices),
        read_cursor_(turn.ring) {}
  ~UringBackend() override;
  int open_buffers() {
    return buffers_.open(kernel_, *queue_, options_.features.incremental_buffers);
  }

  BackendKind kind() const override { return BackendKind::kUring; }
  int add(Slot& slot) override;
  void accept(Slot& slot) override;
  void stop_accepting(Slot& slot) override;
  bool finish_accepting(Slot& slot) override;
  void receive(Slot& slot) override;
  void stop_receiving(Slot& slot) override;
  int receive_messages(Slot& slot) override;
  int send(Slot& slot, SliceQueue& queue) override;
  void send_next_turn(Slot& slot) override;
  void interrupt_send(Slot& slot) override;
  void await_input(Slot& slot, Found found) override;
  void await_room(Slot& slot, Found found) override;
  bool await_looks() const override { return true; }
  void connect(Slot& slot, const sockaddr* address, socklen_t length) override;
  void hand_over(Slot& from, Slot& to) override;
  void watch(Slot& slot, Interest interest) override;
  void close(Slot& slot) override;
  int wait(int64_t timeout_ns) override;
  bool submit() override;
  void await_send() override { send_awaited_ = true; }
  void dispatch() override;
  bool has_ready() const override {
    return queue_->ready() != 0 || accepts_due_ || !closed_.empty() ||
           (!parked_.empty() && can_unpark()) || (!parked_by_hand_.empty() && can_read_by_hand()) ||
           can_unpark_messages();
  }
  bool has_unsubmitted() const override { return queue_->unsubmitted() != 0 || send_awaited_; }
  int poll_descriptor() override;
  bool polls_eventfd() const override { return true; }
  size_t in_flight() const override { return slots_; }
  bool starves() const override {
    return (!parked_.empty() && !can_unpark()) || (!parked_by_hand_.empty() && !can_read_by_hand());
  }

 private:
  // The operation of a SocketId, and 1 << operation in Slot::in_flight while the kernel has it.
  enum Operation : unsigned {
    kIgnored = 0,
    kAccept,
    kReceive,
    kTrySend,
    kSend,
    kConnect,
    kPoll,         // of a watch; of a pipe or a terminal that is read; of input that is awaited
    kPollToWrite,  // of a pipe or a terminal that is written; of room that is awaited
    kCancel,       // of one of these
    kCancelAll,
    kClose,
    kPromote,   // to a direct descriptor
    kZeroCopy,  // a send that a UringZeroCopy::Hold stands for: not of a slot
    kReceiveMessages,
    kDemoted,  // a place among the direct descriptors is free again: not of a slot, see `demote`
  };
  static constexpr unsigned kIndexShift = 6;
  static constexpr uint16_t bit(Operation operation) {
    return static_cast<uint16_t>(1U << operation);
  }

  // Slot::wanted.
  static constexpr uint8_t kReceiving = 1;
  static constexpr uint8_t kAccepting = 2;
  static constexpr uint8_t kSendingByHand = 4;
  static constexpr uint8_t kHoldsAccepts = 8;
  static constexpr uint8_t kInterrupted = 16;  // the send by hand is to be given up
  static constexpr uint8_t kFinishesAccepts = 32;
  static constexpr uint8_t kAwaitsInput = 64;
  static constexpr uint8_t kAwaitsRoom = 128;

  struct HeldAccept {
    SocketId id;  // of the listener
    int descriptor;
  };

  io_uring_sqe& start(Slot& slot, Operation operation);
  void address_socket(io_uring_sqe& entry, const Slot& slot) const;
  void arm_accept(Slot& slot);
  void arm_receive(Slot& slot);
  void arm_poll(Slot& slot, Operation operation, uint32_t events);
  void start_send(Slot& slot, SliceQueue& queue, Operation operation);
  bool start_zero_copy(Slot& slot, SliceQueue& queue);
  size_t describe(io_uring_sqe& entry, SliceQueue& queue);
  void settle_tries(unsigned ready);
  void settle_try(Slot& slot);
  void connect_at_once(Slot& slot, const sockaddr* address, socklen_t length);
  void complete_connect(Slot& slot, int result);
  void cancel(Slot& slot, Operation operation);
  void unpark();
  void unpark_by_hand();
  void finish_close(Slot& slot);
  void promote(Slot& slot);
  void demote(Slot& slot);

  void complete(const UringQueue::Completion& completion);
  void complete_live(Slot& slot, Operation operation, const UringQueue::Completion& completion,
                     Slice&& bytes);
  void complete_accept(Slot& slot, int result);
  void offer_accepted(Slot& slot, int descriptor);
  void go_on_accepting(Slot& slot);
  void finish_if_none_is_left(Slot& slot);
  void offer_held_accepts();
  void complete_receive(Slot& slot, const UringQueue::Completion& completion, Slice&& bytes);
  void complete_send(Slot& slot, int result);
  void complete_promote(Slot& slot, int result);
  void complete_cancel(Slot& slot);
  void complete_zero_copy(const UringQueue::Completion& completion);
  void complete_poll(Slot& slot, int result);
  void complete_poll_to_write(Slot& slot);
  void deliver(Slot& slot, Slice&& bytes);
  void read_by_hand(Slot& slot);
  void write_by_hand(Slot& slot);
  void end_receive(Slot& slot, int error);
  void park(Slot& slot);
  void arm_messages(Slot& slot);
  void complete_messages(Slot& slot, const UringQueue::Completion& completion, Slice&& bytes);
  ReceivedMessage read_message(const Slot& slot, Slice&& bytes) const;
  bool can_unpark_messages() const {
    return !parked_messages_.empty() &&
           (messages_->open_segments() != 0 || messages_->can_replenish());
  }
  void tend_messages();
  bool can_unpark() const { return buffers_.open_segments() != 0 || buffers_.can_replenish(); }
  bool can_read_by_hand() const { return read_cursor_.has_room(kLeastReadRoom); }
  void leave_parked(Slot& slot);

  Turn& turn_;
  Kernel& kernel_;
  const UringBackendOptions options_;
  UringBuffers buffers_;
  std::unique_ptr<UringQueue> queue_;
  UringDirect direct_;
  UringZeroCopy zero_copy_;
  UringArena arena_;
  SegmentCursor read_cursor_;             // of pipes and terminals
  int wake_fd_ = -1;                      // what a foreign loop waits for, once it has asked
  ParkedList parked_;                     // sockets that wait for a segment in the kernel's hands
  ParkedList parked_by_hand_;             // pipes and terminals that wait for a free one
  std::optional<UringBuffers> messages_;  // once there is a slot of messages
  ParkedList parked_messages_;            // such slots, that wait for a piece
  ReadyList closed_;                      // slots whose on_closed is due
  std::vector<Slot*> tries_;              // slots whose send is tried by the next `enter`
  std::vector<Slot*> settled_;
  std::vector<HeldAccept> held_accepts_;  // accepted, and not given to the listener yet
  bool send_awaited_ = false;
  bool accepts_due_ = false;  // some of them can be given, or closed
  size_t slots_ = 0;
};

}  // namespace eddy
