// The epoll backend's parts: streams, listeners and watches are in epoll_backend.cpp, messages in
// epoll_messages.cpp.
#pragma once

#include <eddy/core/backend.h>
#include <eddy/core/epoll_zero_copy.h>
#include <eddy/core/kernel.h>
#include <eddy/core/message_reader.h>
#include <eddy/core/readiness_io.h>
#include <sys/epoll.h>

#include <array>
#include <memory>
#include <optional>

namespace eddy {

class EpollBackend final : public Backend {
 public:
  // Sends from `zero_copy_bytes` on are zero-copy.
  EpollBackend(Turn& turn, int epoll_fd, size_t zero_copy_bytes)
      : turn_(turn),
        kernel_(turn.kernel),
        epoll_fd_(epoll_fd),
        zero_copy_bytes_(zero_copy_bytes),
        zero_copy_(std::in_place, turn, epoll_fd),
        read_cursor_(turn.ring) {}
  ~EpollBackend() override;

  BackendKind kind() const override { return BackendKind::kEpoll; }
  int add(Slot& slot) override;
  void accept(Slot& slot) override;
  void stop_accepting(Slot& slot) override;
  bool finish_accepting(Slot& slot) override {
    stop_accepting(slot);
    return true;
  }
  void receive(Slot& slot) override;
  void stop_receiving(Slot& slot) override { slot.wanted &= ~kReceiving; }
  int receive_messages(Slot& slot) override;
  void await_input(Slot& slot, Found found) override;
  void await_room(Slot& slot, Found found) override;
  int send(Slot& slot, SliceQueue& queue) override;
  void send_next_turn(Slot& slot) override;
  void interrupt_send(Slot& slot) override;
  void connect(Slot& slot, const sockaddr* address, socklen_t length) override;
  void hand_over(Slot& from, Slot& to) override;
  void watch(Slot& slot, Interest interest) override;
  void close(Slot& slot) override;
  int wait(int64_t timeout_ns) override;
  void dispatch() override;
  bool has_ready() const override {
    return event_count_ != 0 || !ready_.empty() || !closed_.empty() ||
           (!parked_.empty() && can_unpark()) || can_unpark_messages();
  }
  int poll_descriptor() override { return epoll_fd_; }
  size_t in_flight() const override { return in_flight_; }
  bool starves() const override { return !parked_.empty() && !can_unpark(); }

 private:
  // Slot::readiness: what the last events told and no call has refuted.
  static constexpr uint8_t kCanRead = 1;
  static constexpr uint8_t kCanWrite = 2;
  // A short read does not mean empty: an end, an error or urgent data is behind it.
  static constexpr uint8_t kReadToTheEnd = 4;

  // Slot::wanted.
  static constexpr uint8_t kReceiving = 1;
  static constexpr uint8_t kSending = 2;
  static constexpr uint8_t kConnecting = 4;
  static constexpr uint8_t kAccepting = 8;
  static constexpr uint8_t kInterrupted = 16;  // the send that waits is to be given up
  static constexpr uint8_t kAwaitsInput = 32;
  static constexpr uint8_t kAwaitsRoom = 64;

  int control(int operation, Slot& slot, uint32_t events);
  void on_event(Slot& slot, uint32_t events);
  uint32_t meaning_of_error(Slot& slot, uint32_t events);
  void on_stream(Slot& slot);
  void accept_some(Slot& slot);
  void finish_connect(Slot& slot, int result);
  void on_awaited(Slot& slot);
  void go_on_next_turn(Slot& slot);
  ssize_t write(Slot& slot, SliceQueue& queue);
  void retry_send(Slot& slot);
  void read_some(Slot& slot);
  bool read_once(Slot& slot, size_t& budget_bytes);
  void deliver_end(Slot& slot, int error);
  void park(Slot& slot);
  void on_messages(Slot& slot);
  void read_messages(Slot& slot);
  bool read_batch(Slot& slot);
  bool can_unpark_messages() const { return !parked_messages_.empty() && reader_->has_room(); }
  void park_messages(Slot& slot);
  void unpark_messages();
  void leave_parked(Slot& slot);
  bool can_unpark() const { return read_cursor_.has_room(kLeastReadRoom); }
  static void flush(Slot& slot);

  Turn& turn_;
  Kernel& kernel_;
  const int epoll_fd_;
  const size_t zero_copy_bytes_;
  std::optional<EpollZeroCopy> zero_copy_;  // gone before the epoll
  SegmentCursor read_cursor_;
  ReadyList ready_;                        // streams to go on with though no event will tell
  ParkedList parked_;                      // streams that wait for a segment
  ParkedList parked_messages_;             // slots of messages that wait for a piece
  std::unique_ptr<MessageReader> reader_;  // once there is a slot of messages
  ReadyList closed_;                       // slots whose on_closed is due
  size_t in_flight_ = 0;
  int event_count_ = 0;
  std::array<epoll_event, 512> events_;
};

}  // namespace eddy
