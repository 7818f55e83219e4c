// The socket behind the handles: its life and receiving are in datagram_slot.cpp, sending in
// datagram_send.cpp, its options in datagram_options.cpp, and control messages in
// datagram_control.cpp.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/core/slot.h>
#include <eddy/net/datagram.h>

#include <array>
#include <deque>
#include <string>
#include <vector>

namespace eddy {

// Which older headers lack.
inline constexpr int kUdpSegment = 103;  // UDP_SEGMENT, Linux 4.18
inline constexpr int kUdpGro = 104;      // UDP_GRO, Linux 5.0

// What a DatagramSend asks for, in less room.
struct SendControl {
  std::array<uint8_t, 16> source = {};  // IPv4: the first four
  uint32_t interface = 0;
  int16_t ttl = -1;
  int16_t traffic_class = -1;
  uint16_t segment_bytes = 0;
  uint16_t source_family = AF_UNSPEC;

  SendControl() = default;
  explicit SendControl(const DatagramSend& how);
};

struct OutgoingDatagram {
  Slice bytes;
  Address destination;  // none: the peer's
  bool has_control = false;
  SendControl control;  // if it has
};

// Datagrams in the order in which they leave: a ring that grows, and then allocates no more.
class DatagramQueue {
 public:
  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }
  size_t bytes() const { return bytes_; }
  // The n-th from the head.
  OutgoingDatagram& at(size_t n) { return places_[(head_ + n) & (places_.size() - 1)]; }
  // A place at the end, for so many bytes, to be filled. Throws std::bad_alloc, and nothing has
  // changed.
  OutgoingDatagram& push(size_t bytes) {
    if (count_ == places_.size()) grow();
    bytes_ += bytes;
    return at(count_++);
  }
  void pop() {
    OutgoingDatagram& first = places_[head_];
    bytes_ -= first.bytes.size();
    first.bytes.clear();
    head_ = (head_ + 1) & (places_.size() - 1);
    --count_;
  }

 private:
  void grow();
  std::vector<OutgoingDatagram> places_;  // a power of two, or none
  size_t head_ = 0;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

inline constexpr size_t kSendControlBytes = 128;
// The control messages of a send: how many bytes of `room`, which is aligned like a cmsghdr.
size_t write_control(const SendControl& control, int socket_family, const Address& destination,
                     char* room);
// What the control messages of an arrival tell.
void read_control(const void* control, size_t size, DatagramInfo& info);
// The oldest of the errors that the socket keeps with their details (recvmsg(2), MSG_ERRQUEUE);
// false when there is none.
bool read_kept_error(Kernel& kernel, int fd, DatagramError& error);

// A socket, with what the options ask for; at failure nothing is left of it.
Result<int> make_datagram_socket(Kernel& kernel, int family, const DatagramOptions& options,
                                 const std::string& subject);
// What is to be told of each datagram, and other wishes: to a socket of this family.
Result<void> apply_options(Kernel& kernel, int fd, int family, const DatagramOptions& options,
                           const std::string& subject);

class DatagramSlot final : public Slot {
 public:
  DatagramSlot(Reactor& reactor, DatagramOptions&& options, int family);
  // Takes the descriptor over and begins to receive; at failure the slot is gone, and the
  // descriptor the caller's. 0 or a negative errno.
  int begin(int descriptor, bool claims);

  // --- Completions
  void on_message(ReceivedMessage&& message) override;
  void on_message_error(int error) override;
  void on_room() override;
  void on_closed() override;
  void flush() override;
  void relocate(bool all) override;
  void abandon() override;
  MessageInterest message_interest() const override { return interest_; }

  // --- The handle's functions
  bool send(Slice&& bytes, const Address* destination, const DatagramSend* how);
  Result<void> connect(const Address& peer);
  Result<void> disconnect();
  void pause();
  void resume();
  bool is_paused() const { return has(kPaused); }
  void close();
  void reset();
  DatagramStats stats() const;
  Reactor& reactor() const { return reactor_; }
  int family() const { return family_; }
  Datagram handle() { return Datagram(*this); }
  bool accepts_calls() const { return !closing && !has(kClosing); }

 private:
  enum Flag : uint8_t {
    kPaused = 1,
    kReceiving = 2,  // the backend was told to
    kBlocked = 4,    // the kernel takes no more for now
    kRefused = 8,    // a send was, and on_drain is due
    kClosing = 16,   // close was called: what is queued is sent first
    kMute = 32,      // no callbacks any more
    kDeferred = 64,  // it goes on sending in the next turn
  };
  struct Held {
    Slice bytes;
    DatagramInfo info;
  };
  bool has(unsigned flags) const { return (flags_ & flags) != 0; }
  void set(unsigned flags) { flags_ |= static_cast<uint8_t>(flags); }
  void clear(unsigned flags) { flags_ &= static_cast<uint8_t>(~flags); }

  void describe(const ReceivedMessage& message);
  void hold(Slice&& bytes);
  void deliver(Slice&& bytes, const DatagramInfo& info);
  void deliver_held();
  void update_receiving();
  void report(const DatagramError& error);
  void tell_kept_errors(int error);
  void start_sending();
  size_t run_length(size_t begin, size_t end);
  int send_batch(size_t most);
  void sent(size_t count);
  void send_failed(int error);
  void drop_head(int error);
  void block();
  void go_on_next_turn();
  void end(std::error_code reason);

  Reactor& reactor_;
  DatagramOptions options_;
  const int family_;
  uint8_t flags_ = 0;
  bool joins_;  // datagrams to one message, until the kernel or the path refuses that
  MessageInterest interest_;
  DatagramQueue queue_;
  std::deque<Held> held_;  // arrived while paused
  DatagramInfo info_;      // of the datagram that is being delivered
  DatagramStats stats_;
  std::error_code reason_;
  int tried_error_ = 0;  // of the head of the queue, which is tried once more
  TimerId retry_timer_{};
  std::chrono::nanoseconds retry_delay_{0};
};

}  // namespace eddy
