#include <eddy/core/kernel.h>
#include <eddy/core/readiness_io.h>
#include <eddy/core/uring_arena.h>
#include <eddy/core/uring_backend.h>
#include <eddy/core/uring_buffers.h>
#include <eddy/core/uring_direct.h>
#include <eddy/core/uring_queue.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace eddy {
namespace {

// The operation of a SocketId, and 1 << operation in Slot::in_flight while the kernel has it.
enum Operation : unsigned {
  kIgnored = 0,
  kAccept,
  kReceive,
  kTrySend,
  kSend,
  kConnect,
  kPoll,         // of a watch; of a pipe or a terminal that is read
  kPollToWrite,  // of a pipe or a terminal that is written
  kCancel,       // of one of these
  kCancelAll,
  kClose,
  kPromote,  // to a direct descriptor
  kDemoted,  // a place among the direct descriptors is free again: not of a slot, see `demote`
};
constexpr unsigned kIndexShift = 6;
constexpr uint16_t bit(Operation operation) { return static_cast<uint16_t>(1U << operation); }

// Slot::wanted.
constexpr uint8_t kReceiving = 1;
constexpr uint8_t kAccepting = 2;
constexpr uint8_t kSendingByHand = 4;

constexpr uint32_t kSendFlags = MSG_NOSIGNAL | MSG_WAITALL;
// A stream that has sent so often is likely to go on: it gets a direct descriptor.
constexpr uint16_t kSendsUntilDirect = 16;
constexpr int kReadBudgetCalls = 16;

uint32_t to_poll(Interest interest) {
  return (any(interest & Interest::kReadable) ? uint32_t{POLLIN} : 0) |
         (any(interest & Interest::kWritable) ? uint32_t{POLLOUT} : 0) |
         (any(interest & Interest::kPriority) ? uint32_t{POLLPRI} : 0);
}

Interest from_poll(int events) {
  Interest ready = Interest::kNone;
  if ((events & POLLIN) != 0) ready = ready | Interest::kReadable;
  if ((events & POLLOUT) != 0) ready = ready | Interest::kWritable;
  if ((events & POLLPRI) != 0) ready = ready | Interest::kPriority;
  if ((events & POLLHUP) != 0) ready = ready | Interest::kHangup;
  if ((events & POLLERR) != 0) ready = ready | Interest::kError;
  return ready;
}

class UringBackend final : public Backend {
 public:
  UringBackend(Turn& turn, const UringBackendOptions& options, std::unique_ptr<UringQueue> queue)
      : turn_(turn),
        kernel_(turn.kernel),
        options_(options),
        buffers_(turn.ring),
        queue_(std::move(queue)),
        direct_(*queue_),
        read_cursor_(turn.ring) {}
  ~UringBackend() override {
    queue_.reset();  // the ring before the buffers that it could still fill
  }
  int open_buffers() {
    return buffers_.open(kernel_, *queue_, options_.features.incremental_buffers);
  }

  BackendKind kind() const override { return BackendKind::kUring; }
  int add(Slot& slot) override;
  void accept(Slot& slot) override;
  void stop_accepting(Slot& slot) override;
  void receive(Slot& slot) override;
  void stop_receiving(Slot& slot) override;
  int send(Slot& slot, SliceQueue& queue) override;
  void interrupt_send(Slot& slot) override { cancel(slot, kSend); }
  void connect(Slot& slot, const sockaddr* address, socklen_t length) override;
  void watch(Slot& slot, Interest interest) override;
  void close(Slot& slot) override;
  int wait(int64_t timeout_ns) override;
  void dispatch() override;
  bool has_ready() const override {
    return queue_->ready() != 0 || !closed_.empty() || (!parked_.empty() && can_unpark());
  }
  int poll_descriptor() const override { return queue_->descriptor(); }
  size_t in_flight() const override { return slots_; }

 private:
  io_uring_sqe& start(Slot& slot, Operation operation);
  void address_socket(io_uring_sqe& entry, const Slot& slot) const;
  void arm_accept(Slot& slot);
  void arm_receive(Slot& slot);
  void arm_poll(Slot& slot, Operation operation, uint32_t events);
  void start_send(Slot& slot, SliceQueue& queue, Operation operation);
  size_t describe(io_uring_sqe& entry, SliceQueue& queue);
  void settle_tries(unsigned ready);
  void settle_try(Slot& slot);
  void cancel(Slot& slot, Operation operation);
  void unpark();
  void finish_close(Slot& slot);
  void promote(Slot& slot);
  void demote(Slot& slot);

  void complete(const UringQueue::Completion& completion);
  void complete_live(Slot& slot, Operation operation, const UringQueue::Completion& completion,
                     Slice&& bytes);
  void complete_accept(Slot& slot, int result);
  void complete_receive(Slot& slot, const UringQueue::Completion& completion, Slice&& bytes);
  void complete_send(Slot& slot, int result);
  void complete_promote(Slot& slot, int result);
  void complete_poll(Slot& slot, int result);
  void deliver(Slot& slot, Slice&& bytes);
  void read_by_hand(Slot& slot);
  void write_by_hand(Slot& slot);
  void end_receive(Slot& slot, int error);
  void park(Slot& slot);
  bool can_unpark() const {
    return buffers_.open_segments() != 0 || turn_.ring.has_free();
  }

  Turn& turn_;
  Kernel& kernel_;
  const UringBackendOptions options_;
  UringBuffers buffers_;
  std::unique_ptr<UringQueue> queue_;
  UringDirect direct_;
  UringArena arena_;
  SegmentCursor read_cursor_;  // of pipes and terminals
  ReadyList parked_;           // streams that wait for a segment
  ReadyList closed_;           // slots whose on_closed is due
  std::vector<Slot*> tries_;    // slots whose send is tried by the next `enter`
  std::vector<Slot*> settled_;
  size_t slots_ = 0;
};

// --- Starting

io_uring_sqe& UringBackend::start(Slot& slot, Operation operation) {
  io_uring_sqe& entry = queue_->next_entry();
  entry.user_data = slot.id(operation).bits();
  slot.in_flight |= bit(operation);
  return entry;
}

void UringBackend::address_socket(io_uring_sqe& entry, const Slot& slot) const {
  if (slot.direct_index < 0) {
    entry.fd = slot.fd;
  } else {
    entry.fd = slot.direct_index;
    entry.flags |= IOSQE_FIXED_FILE;
  }
}

int UringBackend::add(Slot& slot) {
  slot.sends_until_direct = kSendsUntilDirect;
  ++slots_;
  return 0;
}

void UringBackend::accept(Slot& slot) {
  slot.wanted |= kAccepting;
  if ((slot.in_flight & bit(kAccept)) == 0) arm_accept(slot);
}

void UringBackend::arm_accept(Slot& slot) {
  io_uring_sqe& entry = start(slot, kAccept);
  entry.opcode = IORING_OP_ACCEPT;
  entry.fd = slot.fd;
  entry.accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  // Near its cap a listener takes them one by one: a multishot accept could not be stopped in time.
  if (!slot.accepts_singly) entry.ioprio |= IORING_ACCEPT_MULTISHOT;
}

void UringBackend::stop_accepting(Slot& slot) {
  slot.wanted &= ~kAccepting;
  cancel(slot, kAccept);
}

void UringBackend::receive(Slot& slot) {
  slot.wanted |= kReceiving;
  if (slot.parked) return;
  if (slot.kind != DescriptorKind::kSocket) {
    if ((slot.in_flight & bit(kPoll)) == 0) arm_poll(slot, kPoll, POLLIN);
  } else if ((slot.in_flight & bit(kReceive)) == 0) {
    arm_receive(slot);
  }
}

void UringBackend::arm_receive(Slot& slot) {
  io_uring_sqe& entry = start(slot, kReceive);
  entry.opcode = IORING_OP_RECV;
  entry.flags = IOSQE_BUFFER_SELECT;
  entry.buf_group = UringBuffers::kGroup;
  address_socket(entry, slot);
  if (options_.features.receive_limit) {
    entry.ioprio = IORING_RECV_MULTISHOT;
    uring::set_receive_limit(entry, options_.receive_quota_bytes);
  } else {
    entry.len = options_.receive_quota_bytes;  // one shot: a multishot one could not be bounded
  }
}

void UringBackend::stop_receiving(Slot& slot) {
  slot.wanted &= ~kReceiving;
  if (slot.parked) {
    slot.parked = false;
    parked_.remove(slot);
  }
  cancel(slot, slot.kind == DescriptorKind::kSocket ? kReceive : kPoll);
}

void UringBackend::cancel(Slot& slot, Operation operation) {
  if ((slot.in_flight & bit(operation)) == 0 || (slot.in_flight & bit(kCancel)) != 0) return;
  io_uring_sqe& entry = start(slot, kCancel);
  entry.opcode = IORING_OP_ASYNC_CANCEL;
  entry.fd = -1;
  entry.addr = slot.id(operation).bits();
}

int UringBackend::send(Slot& slot, SliceQueue& queue) {
  if (slot.kind != DescriptorKind::kSocket) {
    bool full = false;
    const ssize_t sent = write_from(turn_, slot, queue, full);
    if (sent != -EAGAIN) return static_cast<int>(sent);
    slot.wanted |= kSendingByHand;
    arm_poll(slot, kPollToWrite, POLLOUT);
    return kPending;
  }
  if (slot.sends_until_direct != 0 && --slot.sends_until_direct == 0) promote(slot);
  start_send(slot, queue, slot.send_waits ? kSend : kTrySend);
  return kPending;
}

// A send is first tried: the kernel does that while it takes the submissions in, and a completion is posted only if the
// socket did not take it all. So a turn is not woken by its own sends, and they are over when its `enter` returns. A send
// that found the socket full is started again to wait for it.
void UringBackend::start_send(Slot& slot, SliceQueue& queue, Operation operation) {
  io_uring_sqe& entry = start(slot, operation);
  address_socket(entry, slot);
  entry.msg_flags = kSendFlags;
  const size_t described = describe(entry, queue);
  if (operation == kSend) return;
  entry.msg_flags |= MSG_DONTWAIT;
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  slot.try_result = static_cast<int>(described);
  tries_.push_back(&slot);
  if (described < queue.bytes()) turn_.send_awaited = true;
}

// The bytes that are described.
size_t UringBackend::describe(io_uring_sqe& entry, SliceQueue& queue) {
  const Slice& first = queue.front();
  if (first.size() == queue.bytes() || first.size() >= kMostBytesPerSend) {
    entry.opcode = IORING_OP_SEND;
    entry.addr = reinterpret_cast<uintptr_t>(first.data());
    entry.len = static_cast<uint32_t>(std::min(first.size(), kMostBytesPerSend));
    return entry.len;
  }
  auto& message = arena_.make<UringArena::Message>();
  const int count = queue.gather(message.pieces, kMostPiecesPerSend, kMostBytesPerSend);
  message.header.msg_iov = message.pieces;
  message.header.msg_iovlen = static_cast<size_t>(count);
  entry.opcode = IORING_OP_SENDMSG;
  entry.addr = reinterpret_cast<uintptr_t>(&message.header);
  entry.len = 1;
  size_t described = 0;
  for (int i = 0; i < count; ++i) described += message.pieces[i].iov_len;
  return described;
}

void UringBackend::promote(Slot& slot) {
  const int index = direct_.take();
  if (index < 0) return;
  auto& descriptor = arena_.make<int>();
  descriptor = slot.fd;
  slot.direct_pending = index;
  UringDirect::prepare(start(slot, kPromote), index, descriptor);
}

// The slot may be gone when this completes, so its name is the index.
void UringBackend::demote(Slot& slot) {
  static constexpr int kNothing = -1;
  io_uring_sqe& entry = queue_->next_entry();
  UringDirect::prepare(entry, slot.direct_index, kNothing);
  entry.user_data = static_cast<uint64_t>(slot.direct_index) << kIndexShift | kDemoted;
  slot.direct_index = -1;
}

void UringBackend::connect(Slot& slot, const sockaddr* address, socklen_t length) {
  add(slot);
  auto& copy = arena_.make<sockaddr_storage>();
  memcpy(&copy, address, length);
  io_uring_sqe& entry = start(slot, kConnect);
  entry.opcode = IORING_OP_CONNECT;
  entry.fd = slot.fd;
  entry.addr = reinterpret_cast<uintptr_t>(&copy);
  entry.off = length;
}

void UringBackend::watch(Slot& slot, Interest interest) {
  if (interest == slot.interest) return;
  slot.interest = interest;
  if ((slot.in_flight & bit(kPoll)) != 0) {
    cancel(slot, kPoll);  // armed again at its completion
  } else if (interest != Interest::kNone) {
    arm_poll(slot, kPoll, to_poll(interest));
  }
}

void UringBackend::arm_poll(Slot& slot, Operation operation, uint32_t events) {
  io_uring_sqe& entry = start(slot, operation);
  entry.opcode = IORING_OP_POLL_ADD;
  entry.fd = slot.fd;
  entry.poll32_events = events;
}

// Closing does not cancel: pending operations hold the socket open, so they are cancelled first, by descriptor; and the
// descriptor's number is given up only after that, or the cancellation could hit its next owner.
void UringBackend::close(Slot& slot) {
  slot.closing = true;
  slot.wanted = 0;
  if (slot.parked) {
    slot.parked = false;
    parked_.remove(slot);
  }
  if (slot.in_flight == 0) return finish_close(slot);
  io_uring_sqe& entry = start(slot, kCancelAll);
  entry.opcode = IORING_OP_ASYNC_CANCEL;
  entry.fd = slot.fd;
  entry.cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
}

void UringBackend::finish_close(Slot& slot) {
  if (slot.direct_index >= 0) demote(slot);
  if (slot.release_descriptor) return closed_.push(slot);
  io_uring_sqe& entry = start(slot, kClose);
  entry.opcode = IORING_OP_CLOSE;
  entry.fd = slot.fd;
}

// --- A turn

int UringBackend::wait(int64_t timeout_ns) {
  buffers_.replenish();
  unpark();
  // What was tried gives its memory back once it is over, which the parked ones wait for.
  const bool awaited = std::exchange(turn_.send_awaited, false) || !closed_.empty() ||
                       (!parked_.empty() && !tries_.empty());
  const int result = queue_->enter(awaited ? 0 : timeout_ns);
  turn_.counters.system_calls += std::exchange(queue_->enters, 0);
  if (queue_->unsubmitted() == 0) arena_.reset();
  return std::min(result, 0);
}

// A few per open segment: were all re-armed at once, most would find the ring empty again.
void UringBackend::unpark() {
  unsigned chances = parked_.empty() ? 0 : 2 * buffers_.open_segments();
  while (chances-- != 0) {
    Slot* slot = parked_.pop();
    if (slot == nullptr) return;
    slot->parked = false;
    receive(*slot);
  }
}

void UringBackend::dispatch() {
  // What the kernel adds from now on has its turn in the next one.
  const unsigned ready = queue_->ready();
  settle_tries(ready);
  UringQueue::Completion completion;
  for (unsigned count = ready; count != 0 && queue_->take(completion); --count) {
    complete(completion);
  }
  while (Slot* slot = closed_.pop()) {
    --slots_;
    ++turn_.counters.completions;
    slot->on_closed();
  }
}

// The `enter` that has returned ended every try: those that failed have a completion.
void UringBackend::settle_tries(unsigned ready) {
  if (tries_.empty()) return;
  for (unsigned i = 0; i < ready; ++i) {
    const io_uring_cqe& completion = queue_->peek(i);
    const SocketId id(completion.user_data);
    if (id.operation() != kTrySend) continue;
    id.slot()->try_result = completion.res;
    id.slot()->send_waits = true;
  }
  // What is not handed over, or cannot be seen yet, is settled by a later turn.
  if (queue_->unsubmitted() != 0 || queue_->overflowed()) return;
  settled_.swap(tries_);
  for (Slot* slot : settled_) settle_try(*slot);
  settled_.clear();
}

void UringBackend::settle_try(Slot& slot) {
  slot.in_flight &= ~bit(kTrySend);
  if (slot.closing) {
    if (slot.in_flight == 0) finish_close(slot);
    return;
  }
  ++turn_.counters.completions;
  complete_send(slot, slot.try_result);  // what is left after a part waits for the socket
}

void UringBackend::complete(const UringQueue::Completion& completion) {
  // First and always, in the queue's order: the kernel has moved on in this segment, whoever the bytes were for.
  Slice bytes;
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0) bytes = buffers_.take(completion);
  const SocketId id(completion.user_data);
  const auto operation = static_cast<Operation>(id.operation());
  if (operation == kTrySend) return;  // settled
  if (operation == kDemoted) {
    return direct_.give(static_cast<int>(completion.user_data >> kIndexShift));
  }
  Slot& slot = *id.slot();
  if (!id.names(slot)) return;
  if ((completion.flags & IORING_CQE_F_MORE) == 0) slot.in_flight &= ~bit(operation);
  if (!slot.closing) return complete_live(slot, operation, completion, std::move(bytes));

  if (operation == kAccept && completion.result >= 0) kernel_.close(completion.result);
  // Who takes the descriptor over finds nothing of this in it.
  if (slot.release_descriptor && !bytes.empty()) slot.on_receive(std::move(bytes));
  if (operation == kPromote) complete_promote(slot, completion.result);
  if (slot.in_flight != 0) return;
  operation == kClose ? closed_.push(slot) : finish_close(slot);
}

void UringBackend::complete_live(Slot& slot, Operation operation,
                                 const UringQueue::Completion& completion, Slice&& bytes) {
  ++turn_.counters.completions;
  switch (operation) {
    case kReceive: return complete_receive(slot, completion, std::move(bytes));
    case kSend:
      slot.send_waits = false;
      return complete_send(slot, completion.result);
    case kAccept: return complete_accept(slot, completion.result);
    case kConnect: return slot.on_connect(completion.result);
    case kPoll: return complete_poll(slot, completion.result);
    case kPollToWrite: return write_by_hand(slot);
    case kPromote: return complete_promote(slot, completion.result);
    default: return;
  }
}

void UringBackend::complete_receive(Slot& slot, const UringQueue::Completion& completion,
                                    Slice&& bytes) {
  const int result = completion.result;
  if (result > 0) deliver(slot, std::move(bytes));
  if ((slot.in_flight & bit(kReceive)) != 0 || slot.closing) return;
  if (result == 0) return end_receive(slot, 0);
  const bool passing = result > 0 || result == -ENOBUFS || result == -ECANCELED ||
                       result == -EINTR || result == -EAGAIN;
  if (!passing) return end_receive(slot, result);
  if (result == -ENOBUFS) ++turn_.counters.buffer_exhaustions;
  if ((slot.wanted & kReceiving) == 0) return;
  if (result == -ENOBUFS && !can_unpark()) return park(slot);
  arm_receive(slot);
}

void UringBackend::deliver(Slot& slot, Slice&& bytes) {
  turn_.counters.bytes_received += bytes.size();
  slot.on_receive(std::move(bytes));
}

void UringBackend::end_receive(Slot& slot, int error) {
  slot.wanted &= ~kReceiving;
  slot.on_receive_end(error);
}

void UringBackend::park(Slot& slot) {
  ++turn_.counters.parked;
  turn_.relief_wanted = true;
  slot.parked = true;
  parked_.push(slot);
}

void UringBackend::complete_send(Slot& slot, int result) {
  if (result == -EINTR || result == -EAGAIN) return start_send(slot, *slot.output(), kSend);
  slot.on_send(result == -ECANCELED ? 0 : result);
}

void UringBackend::complete_promote(Slot& slot, int result) {
  const int index = std::exchange(slot.direct_pending, -1);
  if (result == 1) {
    slot.direct_index = index;
  } else {
    direct_.give(index);
  }
}

void UringBackend::complete_accept(Slot& slot, int result) {
  if (result != -ECANCELED && result != -EINTR && result != -EAGAIN) slot.on_accept(result);
  if (slot.closing || (slot.wanted & kAccepting) == 0) return;
  if ((slot.in_flight & bit(kAccept)) == 0) return arm_accept(slot);
  // A flood: the rest has its turn first. What the cancellation ends is armed again by its completion.
  if (slot.accept_turn != turn_.counters.turns) {
    slot.accept_turn = turn_.counters.turns;
    slot.accepts_this_turn = 0;
  }
  if (++slot.accepts_this_turn == slot.accepts_per_turn) cancel(slot, kAccept);
}

void UringBackend::complete_poll(Slot& slot, int result) {
  if (slot.role == SlotRole::kStream) {
    if ((slot.wanted & kReceiving) != 0) read_by_hand(slot);
    return;
  }
  if (result != -ECANCELED && slot.interest != Interest::kNone) {
    slot.on_ready(result < 0 ? Interest::kError : from_poll(result));
  }
  if (slot.closing || slot.interest == Interest::kNone) return;
  if ((slot.in_flight & bit(kPoll)) == 0) arm_poll(slot, kPoll, to_poll(slot.interest));
}

void UringBackend::read_by_hand(Slot& slot) {
  for (int calls = 0; calls < kReadBudgetCalls && (slot.wanted & kReceiving) != 0; ++calls) {
    const std::span<char> room = read_cursor_.room(kLeastReadRoom);
    if (room.empty()) {
      ++turn_.counters.buffer_exhaustions;
      return park(slot);
    }
    const ssize_t count = read_into(turn_, slot, room);
    if (count == -EAGAIN) break;
    if (count <= 0) return end_receive(slot, static_cast<int>(count));
    deliver(slot, read_cursor_.fill(static_cast<size_t>(count)));
  }
  const bool armed = (slot.in_flight & bit(kPoll)) != 0;
  if ((slot.wanted & kReceiving) != 0 && !armed) arm_poll(slot, kPoll, POLLIN);
}

void UringBackend::write_by_hand(Slot& slot) {
  if ((slot.wanted & kSendingByHand) == 0) return;
  bool full = false;
  const ssize_t sent = write_from(turn_, slot, *slot.output(), full);
  if (sent == -EAGAIN) return arm_poll(slot, kPollToWrite, POLLOUT);
  slot.wanted &= ~kSendingByHand;
  slot.on_send(static_cast<int>(sent));
}

}  // namespace

Result<std::unique_ptr<Backend>> make_uring_backend(Turn& turn,
                                                    const UringBackendOptions& options) {
  auto queue = UringQueue::open(turn.kernel, {.min_wait_us = options.min_wait_us});
  if (!queue) return std::unexpected(queue.error());
  auto backend = std::make_unique<UringBackend>(turn, options, std::move(*queue));
  if (const int failed = backend->open_buffers(); failed < 0) {
    return failure(failed, "io_uring_register of a buffer ring");
  }
  return backend;
}

}  // namespace eddy
