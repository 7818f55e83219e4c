// A descriptor that a reactor drives, and the state of its operations.
//
// What it is: the base of everything that receives completions: streams, listeners, connectors,
// watches. A Slot lives in the reactor's SlotPool, whose memory keeps its type for the reactor's
// life; what users hold are handles of an address and a generation, so a stale handle is found out,
// never followed. A Slot dies when its descriptor is closed and its last operation has completed.
//
// Ownership: the pool owns the memory, the Slot owns its descriptor from `Backend::add` on.
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/kernel.h>
#include <eddy/core/message.h>
#include <eddy/core/slice.h>
#include <stdint.h>

#include <span>

namespace eddy {

class SliceQueue;

// Readiness, asked for and reported. Hang-up and error are always reported, asked for or not
// (poll(2)).
enum class Interest : uint8_t {
  kNone = 0,
  kReadable = 1,
  kWritable = 2,
  kPriority = 4,
  kHangup = 8,
  kError = 16,
};
constexpr Interest operator|(Interest a, Interest b) {
  return static_cast<Interest>(static_cast<uint8_t>(a) | static_cast<uint8_t>(b));
}
constexpr Interest operator&(Interest a, Interest b) {
  return static_cast<Interest>(static_cast<uint8_t>(a) & static_cast<uint8_t>(b));
}
constexpr bool any(Interest interest) { return interest != Interest::kNone; }

// What a Slot is to its backend.
enum class SlotRole : uint8_t { kListener, kStream, kWatch, kMessages };

// By which calls a stream's bytes move: recv and send; read and writev, of what is no socket; and
// recvmsg and sendmsg, by which descriptors go along (Slot::most_descriptors). On io_uring the
// latter two are made by hand, when a poll tells that they are worth it.
enum class Transfer : uint8_t { kPlain, kFile, kDescriptors };

inline constexpr size_t kMostDescriptors = 253;  // of one message: SCM_MAX_FD, unix(7)

// What goes with the next send, of the Transfer kDescriptors.
struct Attachment {
  std::span<const int> descriptors;  // with its first byte
  size_t most_bytes = SIZE_MAX;      // of that send: behind them comes the next one's
};

class Slot;

// The address and generation of a Slot in 64 bits, with six bits for the operation: the name by
// which a backend knows a socket, and what it gives the kernel to be handed back.
class SocketId {
 public:
  static constexpr uint64_t kOperationMask = 63;    // a Slot's address is a multiple of 64 …
  static constexpr unsigned kGenerationShift = 48;  // … and below 2^47, as all of user space's
  constexpr explicit SocketId(uint64_t bits) : bits_(bits) {}
  constexpr uint64_t bits() const { return bits_; }
  unsigned operation() const { return bits_ & kOperationMask; }
  Slot* slot() const;  // its memory is a Slot's, though perhaps of a later generation
  bool names(const Slot& slot) const;

 private:
  uint64_t bits_;
};

class alignas(64) Slot {
 public:
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  // --- Completions. A backend calls them from `Backend::dispatch` only, never from inside the call
  // that started the operation. A Slot overrides those of the operations that it starts.
  virtual void on_accept(int /*descriptor_or_error*/) {}
  // Bytes arrived. May also come after `stop_receiving`, for what was under way.
  virtual void on_receive(Slice&& /*bytes*/) {}
  // No more comes: 0 at the end of input, else a negative errno.
  virtual void on_receive_end(int /*error*/) {}
  // A send that was kPending is over: bytes taken (0 only after `Backend::interrupt_send`), or a
  // negative errno.
  virtual void on_send(int /*result*/) {}
  virtual void on_connect(int /*result*/) {}
  // There is something to read, or room to send, or an end or an error to be met by trying, or
  // nothing after all: after `Backend::await_input` and `await_room`.
  virtual void on_input() {}
  virtual void on_room() {}
  // --- Of the role kMessages
  // A message arrived. May also come after `stop_receiving`, for what was under way.
  virtual void on_message(ReceivedMessage&& /*message*/) {}
  // Receiving met an error (a negative errno), and goes on.
  virtual void on_message_error(int /*error*/) {}
  // What it wants to know of each message: asked now and then, and the same each time.
  virtual MessageInterest message_interest() const { return {}; }
  virtual void on_ready(Interest /*ready*/) {}
  // The last call: nothing of this slot is under way any more. The slot is freed at the end of the
  // turn.
  virtual void on_closed() {}
  // Its owner or the reactor is being destroyed: close, if that has not begun, and call nothing of
  // the user's any more.
  virtual void abandon() {}
  // Copy what waits in queues out of the buffer ring, which is exhausted: at first where it is
  // little; `all` of what does not move, if that was not enough.
  virtual void relocate(bool /*all*/) {}
  // Start what waits to be started: asked for by `Turn::want_flush`, called once at the end of a
  // turn or earlier.
  virtual void flush() {}
  // What `Backend::send` was given, for the backend that sends it later.
  virtual SliceQueue* output() { return nullptr; }

  // --- Of the Transfer kDescriptors
  // They came with bytes that on_receive brings next, and are the slot's. `truncated`: there were
  // more, and the kernel has closed them, for want of room or of free descriptors (MSG_CTRUNC).
  virtual void on_descriptors(std::span<const int> /*descriptors*/, bool /*truncated*/) {}
  virtual Attachment attachment() const { return {}; }
  virtual void attachment_sent() {}

  int descriptor() const { return fd; }
  SocketId id(unsigned operation = 0) const {
    return SocketId(uint64_t{generation} << SocketId::kGenerationShift |
                    reinterpret_cast<uintptr_t>(this) | operation);
  }

  // --- Backend's own: net reads none of it. First what the hot path touches.
  int fd = -1;
  int direct_index = -1;  // io_uring: its place in the ring's table of descriptors, once it has one
  uint32_t generation = 0;  // of this use of the memory
  uint16_t in_flight = 0;   // io_uring: a bit for each operation that the kernel has
  uint16_t to_cancel = 0;   // io_uring: those whose cancellation waits for another to complete
  uint8_t readiness = 0;    // epoll: what the last events told and no call has refuted
  uint8_t wanted = 0;       // a bit for each operation that goes on until it is stopped
  SlotRole role = SlotRole::kStream;
  DescriptorKind kind = DescriptorKind::kSocket;
  Transfer transfer = Transfer::kPlain;
  uint8_t most_descriptors = 0;  // that a message may bring; 0: they are not passed
  bool closing = false;
  bool release_descriptor = false;  // closing leaves the descriptor open: `Stream::release`
  bool in_ready_list = false;
  bool parked = false;  // waits for a segment of the buffer ring
  bool in_dirty_list = false;
  bool flush_wanted = false;
  bool retired = false;
  bool keeps_loop_alive = true;
  Interest interest = Interest::kNone;
  bool is_tcp = false;  // a short read means empty, a short write full: of nothing else is it sure
  bool is_shared = true;        // others may have a duplicate of the descriptor
  bool is_claimed = false;      // Reactor::claim
  bool accepts_singly = false;  // near its cap on connections: no more than one at a time
  int try_result = 0;  // io_uring: of the send that was tried; all of it, unless told otherwise
  bool send_waits = false;         // io_uring: the socket was found full
  bool zero_copy_is_vain = false;  // the kernel copies on this path anyway
  uint16_t sends_until_direct =
      0;                     // io_uring: a stream that has sent this often gets a direct descriptor
  int zero_copy_index = -1;  // epoll: its place in EpollZeroCopy, while it has one
  uint32_t accepts_per_turn = 64;
  uint32_t accepts_this_turn = 0;
  uint64_t accept_turn = 0;
  int direct_pending = -1;  // io_uring: the place that it is being put at
  int connect_result = 0;   // of a connect that did not have to wait
  uint32_t pool_size = 0;   // SlotPool's own
  Slot* next_ready = nullptr;
  Slot* previous_parked = nullptr;
  Slot* next_dirty = nullptr;
  Slot* next_live = nullptr;
  Slot* previous_live = nullptr;

 protected:
  Slot() = default;
  virtual ~Slot() = default;
  friend class SlotPool;
};

inline Slot* SocketId::slot() const {
  constexpr uint64_t kAddress = ((uint64_t{1} << kGenerationShift) - 1) & ~kOperationMask;
  return reinterpret_cast<Slot*>(bits_ & kAddress);
}

inline bool SocketId::names(const Slot& slot) const {
  return static_cast<uint16_t>(bits_ >> kGenerationShift) == static_cast<uint16_t>(slot.generation);
}

// A first-in first-out list of slots through one of their links; a slot is in it at most once. With
// a link back as well, any slot can be taken out of it.
template <Slot* Slot::* Link, bool Slot::* Member, Slot* Slot::* Back = nullptr>
class SlotList {
 public:
  bool empty() const { return head_ == nullptr; }
  void push(Slot& slot) {
    if (slot.*Member) return;
    slot.*Member = true;
    slot.*Link = nullptr;
    (tail_ == nullptr ? head_ : tail_->*Link) = &slot;
    if constexpr (Back != nullptr) slot.*Back = tail_;
    tail_ = &slot;
  }
  Slot* pop() {
    Slot* slot = head_;
    if (slot == nullptr) return nullptr;
    head_ = slot->*Link;
    if (head_ == nullptr) {
      tail_ = nullptr;
    } else if constexpr (Back != nullptr) {
      head_->*Back = nullptr;
    }
    slot->*Member = false;
    return slot;
  }
  void remove(Slot& slot)
    requires(Back != nullptr)
  {
    Slot* const before = slot.*Back;
    Slot* const behind = slot.*Link;
    (before == nullptr ? head_ : before->*Link) = behind;
    (behind == nullptr ? tail_ : behind->*Back) = before;
    slot.*Member = false;
  }
  // Takes out all those for which it holds, in one walk.
  template <typename Condition>
  void remove_if(const Condition& condition) {
    SlotList kept;
    while (Slot* slot = pop()) {
      if (!condition(*slot)) kept.push(*slot);
    }
    *this = kept;
  }
  // Everything that is in it now, as a list of its own; what is pushed from now on comes into this
  // one.
  SlotList take_all() {
    SlotList all = *this;
    head_ = tail_ = nullptr;
    return all;
  }

 private:
  Slot* head_ = nullptr;
  Slot* tail_ = nullptr;
};

using ReadyList = SlotList<&Slot::next_ready, &Slot::in_ready_list>;
using ParkedList = SlotList<&Slot::next_ready, &Slot::in_ready_list, &Slot::previous_parked>;
using DirtyList = SlotList<&Slot::next_dirty, &Slot::in_dirty_list>;

}  // namespace eddy
