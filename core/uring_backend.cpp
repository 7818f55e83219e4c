#include <eddy/core/epoll_probe.h>
#include <eddy/core/uring_backend_parts.h>
#include <eddy/core/vector_room_internal.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <algorithm>
#include <utility>

namespace eddy {

namespace {

constexpr uint32_t kSendFlags = MSG_NOSIGNAL | MSG_WAITALL;
// A stream that has sent so often is likely to go on: it gets a direct descriptor.
constexpr uint16_t kSendsUntilDirect = 16;
// How long the end of a reactor waits for the kernel to let go of zero-copy sends.
constexpr int64_t kPatienceWithZeroCopyNs = 1'000'000'000;

}  // namespace

UringBackend::~UringBackend() {
  const int64_t give_up = kernel_.monotonic_ns() + kPatienceWithZeroCopyNs;
  UringQueue::Completion completion;
  while (zero_copy_.held() != 0 && kernel_.monotonic_ns() < give_up) {
    if (queue_->enter(give_up - kernel_.monotonic_ns()) < 0) break;
    while (queue_->take(completion)) complete(completion);
  }
  queue_.reset();  // the ring before the buffers that it could still fill
  if (wake_fd_ >= 0) kernel_.close(wake_fd_);
}

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
  if (slot.kind == DescriptorKind::kOther) {
    if (const int refused = probe_readiness(kernel_, slot.fd); refused < 0) return refused;
  }
  slot.sends_until_direct = kSendsUntilDirect;
  ++slots_;
  return 0;
}

void UringBackend::accept(Slot& slot) {
  slot.wanted |= kAccepting;
  if ((slot.wanted & kHoldsAccepts) != 0) accepts_due_ = true;
  go_on_accepting(slot);
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

bool UringBackend::finish_accepting(Slot& slot) {
  stop_accepting(slot);
  if ((slot.in_flight & bit(kAccept)) == 0 && (slot.wanted & kHoldsAccepts) == 0) return true;
  slot.wanted |= kFinishesAccepts;
  accepts_due_ = true;
  return false;
}

void UringBackend::receive(Slot& slot) {
  slot.wanted |= kReceiving;
  if (slot.parked) return;
  if (slot.transfer != Transfer::kPlain) {
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
  leave_parked(slot);
  if (slot.role == SlotRole::kMessages) return cancel(slot, kReceiveMessages);
  cancel(slot, slot.transfer == Transfer::kPlain ? kReceive : kPoll);
}

// One at a time: what is to be cancelled meanwhile waits for its completion, since the one under
// way may be for an operation that has ended, and was started again.
void UringBackend::cancel(Slot& slot, Operation operation) {
  if ((slot.in_flight & bit(operation)) == 0) return;
  if ((slot.in_flight & bit(kCancel)) != 0) {
    slot.to_cancel |= bit(operation);
    return;
  }
  const UringZeroCopy::Hold* hold = operation == kSend ? zero_copy_.find(slot) : nullptr;
  io_uring_sqe& entry = start(slot, kCancel);
  entry.opcode = IORING_OP_ASYNC_CANCEL;
  entry.fd = -1;
  entry.addr =
      hold == nullptr ? slot.id(operation).bits() : reinterpret_cast<uintptr_t>(hold) | kZeroCopy;
}

void UringBackend::interrupt_send(Slot& slot) {
  if ((slot.wanted & kSendingByHand) != 0) slot.wanted |= kInterrupted;
  cancel(slot, slot.transfer == Transfer::kPlain ? kSend : kPollToWrite);
}

int UringBackend::send(Slot& slot, SliceQueue& queue) {
  if (slot.transfer != Transfer::kPlain) {
    bool full = false;
    const ssize_t sent = write_from(turn_, slot, queue, full);
    if (sent != -EAGAIN) return static_cast<int>(sent);
    send_next_turn(slot);
    return kPending;
  }
  if (slot.sends_until_direct != 0 && --slot.sends_until_direct == 0) promote(slot);
  if (options_.zero_copy_bytes == 0 || !start_zero_copy(slot, queue)) {
    start_send(slot, queue, slot.send_waits ? kSend : kTrySend);
  }
  return kPending;
}

// A poll looks before it waits, so what the last call found does not matter.
void UringBackend::await_input(Slot& slot, Found /*found*/) {
  slot.wanted |= kAwaitsInput;
  const bool is_busy = (slot.in_flight & (bit(kReceive) | bit(kPoll))) != 0;
  if (!is_busy) arm_poll(slot, kPoll, POLLIN);
}

void UringBackend::await_room(Slot& slot, Found /*found*/) {
  slot.wanted |= kAwaitsRoom;
  if ((slot.in_flight & bit(kPollToWrite)) == 0) arm_poll(slot, kPollToWrite, POLLOUT);
}

// Asked of what is sent by hand alone: io_uring carries out no more than one send a turn.
void UringBackend::send_next_turn(Slot& slot) {
  slot.wanted |= kSendingByHand;
  arm_poll(slot, kPollToWrite, POLLOUT);
}

// False where the send is too small for it, or where the kernel has shown on this stream that it
// copies anyway.
bool UringBackend::start_zero_copy(Slot& slot, SliceQueue& queue) {
  if (queue.bytes() < options_.zero_copy_bytes || slot.zero_copy_is_vain) return false;
  io_uring_sqe& entry = start(slot, kSend);
  address_socket(entry, slot);
  const size_t described = describe(entry, queue);
  UringZeroCopy::Hold* hold = zero_copy_.take(slot, queue, described);
  entry.msg_flags = kSendFlags;
  if (hold == nullptr) return true;  // no memory to hold the bytes by: it is an ordinary send
  ++turn_.counters.zero_copy_sends;
  entry.opcode = entry.opcode == IORING_OP_SEND ? uring::kOperationSendZeroCopy
                                                : uring::kOperationSendMessageZeroCopy;
  entry.ioprio = uring::kZeroCopyReportsUse;
  entry.user_data = reinterpret_cast<uintptr_t>(hold) | kZeroCopy;
  return true;
}

// A send is first tried: the kernel does that while it takes the submissions in, and a completion
// is posted only if the socket did not take it all. So a turn is not woken by its own sends, and
// they are over when its `enter` returns. A send that found the socket full is started again to
// wait for it.
void UringBackend::start_send(Slot& slot, SliceQueue& queue, Operation operation) {
  if (operation == kTrySend && !make_room(tries_)) operation = kSend;  // costs a completion
  io_uring_sqe& entry = start(slot, operation);
  address_socket(entry, slot);
  entry.msg_flags = kSendFlags;
  const size_t described = describe(entry, queue);
  if (operation == kSend) return;
  entry.msg_flags |= MSG_DONTWAIT;
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  slot.try_result = static_cast<int>(described);
  tries_.push_back(&slot);
  if (described < queue.bytes()) send_awaited_ = true;
}

// The bytes that are described: of the first slice alone, if there is no memory to gather more by.
size_t UringBackend::describe(io_uring_sqe& entry, SliceQueue& queue) {
  const Slice& first = queue.front();
  const bool is_enough = first.size() == queue.bytes() || first.size() >= kMostBytesPerSend;
  auto* message = is_enough ? nullptr : arena_.make<UringArena::Message>();
  if (message == nullptr) {
    entry.opcode = IORING_OP_SEND;
    entry.addr = reinterpret_cast<uintptr_t>(first.data());
    entry.len = static_cast<uint32_t>(std::min(first.size(), kMostBytesPerSend));
    return entry.len;
  }
  const int count = queue.gather(message->pieces, kMostPiecesPerSend, kMostBytesPerSend);
  message->header.msg_iov = message->pieces;
  message->header.msg_iovlen = static_cast<size_t>(count);
  entry.opcode = IORING_OP_SENDMSG;
  entry.addr = reinterpret_cast<uintptr_t>(&message->header);
  entry.len = 1;
  size_t described = 0;
  for (int i = 0; i < count; ++i) described += message->pieces[i].iov_len;
  return described;
}

void UringBackend::promote(Slot& slot) {
  auto* descriptor = arena_.make<int>();
  const int index = descriptor == nullptr ? -1 : direct_.take();
  if (index < 0) return;
  *descriptor = slot.fd;
  slot.direct_pending = index;
  UringDirect::prepare(start(slot, kPromote), index, *descriptor);
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
  if (address->sa_family == AF_UNIX) return connect_at_once(slot, address, length);
  auto* copy = arena_.make<sockaddr_storage>();
  if (copy != nullptr) memcpy(copy, address, length);
  io_uring_sqe& entry = start(slot, kConnect);
  entry.opcode = IORING_OP_CONNECT;
  entry.fd = slot.fd;
  entry.addr = reinterpret_cast<uintptr_t>(copy);  // none: EFAULT, which means no memory then
  entry.off = length;
}

// To a Unix socket, which takes no time: it is done, or refused, or the backlog is full (EAGAIN).
// io_uring would have a thread of the kernel's block until there is room; whether to try again is
// not the backend's to say.
void UringBackend::connect_at_once(Slot& slot, const sockaddr* address, socklen_t length) {
  int result = -EINTR;
  while (result == -EINTR) {
    ++turn_.counters.system_calls;
    result = kernel_.connect(slot.fd, address, length);
  }
  slot.connect_result = result == -EISCONN ? 0 : result;  // one that was interrupted had gone on
  start(slot, kConnect).opcode = IORING_OP_NOP;           // its completion brings the result
}

void UringBackend::hand_over(Slot& from, Slot& to) {
  to.fd = std::exchange(from.fd, -1);
  to.sends_until_direct = kSendsUntilDirect;
  from.closing = true;
}

void UringBackend::watch(Slot& slot, Interest interest) {
  if (interest == slot.interest) return;
  slot.interest = interest;
  if ((slot.in_flight & bit(kPoll)) != 0) {
    cancel(slot, kPoll);  // armed again at its completion
  } else if (interest != Interest::kNone) {
    arm_poll(slot, kPoll, to_poll_events(interest));
  }
}

void UringBackend::arm_poll(Slot& slot, Operation operation, uint32_t events) {
  io_uring_sqe& entry = start(slot, operation);
  entry.opcode = IORING_OP_POLL_ADD;
  entry.fd = slot.fd;
  // For POLLPRI alone io_uring is not woken (io_poll_wake, as of Linux 6.18); what comes with it
  // wakes for POLLRDBAND too.
  entry.poll32_events = events | ((events & POLLPRI) != 0 ? uint32_t{POLLRDBAND} : 0);
}

// Closing does not cancel: pending operations hold the socket open, so they are cancelled first, by
// descriptor; and the descriptor's number is given up only after that, or the cancellation could
// hit its next owner.
void UringBackend::close(Slot& slot) {
  slot.closing = true;
  if (slot.role == SlotRole::kListener && (slot.wanted & kHoldsAccepts) != 0) accepts_due_ = true;
  slot.wanted = 0;
  if (slot.fd < 0) {
    ++slots_;
    return closed_.push(slot);
  }
  leave_parked(slot);
  if (slot.in_flight == 0) return finish_close(slot);
  io_uring_sqe& entry = start(slot, kCancelAll);
  entry.opcode = IORING_OP_ASYNC_CANCEL;
  if (slot.role == SlotRole::kWatch) {
    // By name: a watch's descriptor is the user's, whose number may be another's before this is
    // handed over.
    entry.fd = -1;
    entry.addr = slot.id(kPoll).bits();
  } else {
    entry.fd = slot.fd;
    entry.cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
  }
}

void UringBackend::finish_close(Slot& slot) {
  if (slot.direct_index >= 0) demote(slot);
  if (slot.release_descriptor) return closed_.push(slot);
  io_uring_sqe& entry = start(slot, kClose);
  entry.opcode = IORING_OP_CLOSE;
  entry.fd = slot.fd;
}

// --- Waiting

int UringBackend::wait(int64_t timeout_ns) {
  buffers_.replenish(!parked_.empty() && tries_.empty() && buffers_.open_segments() == 0);
  unpark();
  if (messages_) tend_messages();
  // What was tried gives its memory back once it is over, which the parked ones wait for.
  const bool awaited = std::exchange(send_awaited_, false) || !closed_.empty() ||
                       (!parked_.empty() && !tries_.empty());
  // What comes after this read makes it readable again; what came before, the enter brings.
  if (wake_fd_ >= 0) [[unlikely]] {
    kernel_.read_eventfd(wake_fd_);
    ++turn_.counters.system_calls;
  }
  const int result = queue_->enter(awaited ? 0 : timeout_ns);
  if (queue_->unsubmitted() != 0) send_awaited_ = awaited;  // the kernel has not taken it yet
  turn_.counters.system_calls += std::exchange(queue_->enters, 0);
  if (queue_->unsubmitted() == 0) arena_.reset();
  return std::min(result, 0);
}

// An error comes again when the loop waits.
bool UringBackend::submit() {
  const bool awaited = send_awaited_;
  wait(0);
  return awaited;
}

// Not the ring's own: a poll(2) of that is not woken by task work that is deferred to this thread
// (measured on Linux 6.18, IORING_SETUP_DEFER_TASKRUN). A registered eventfd is, at some cost, so
// there is one only for those who ask.
int UringBackend::poll_descriptor() {
  if (wake_fd_ >= 0) return wake_fd_;
  int fd = kernel_.eventfd();
  if (fd < 0) return fd;
  if (const int failed = queue_->register_with(IORING_REGISTER_EVENTFD, &fd, 1); failed < 0) {
    kernel_.close(fd);
    return failed;
  }
  kernel_.write_eventfd(fd);  // for what came before it was registered
  return wake_fd_ = fd;
}

// One for each open segment: were all armed at once, most would find the ring empty again.
void UringBackend::unpark() {
  unsigned chances = parked_.empty() ? 0 : buffers_.open_segments();
  while (chances-- != 0) {
    Slot* slot = parked_.pop();
    if (slot == nullptr) return;
    slot->parked = false;
    receive(*slot);
  }
}

void UringBackend::unpark_by_hand() {
  while (!parked_by_hand_.empty() && can_read_by_hand()) {
    Slot& slot = *parked_by_hand_.pop();
    slot.parked = false;
    read_by_hand(slot);
  }
}

void UringBackend::leave_parked(Slot& slot) {
  if (!slot.parked) return;
  slot.parked = false;
  if (slot.role == SlotRole::kMessages) return parked_messages_.remove(slot);
  (slot.transfer == Transfer::kPlain ? parked_ : parked_by_hand_).remove(slot);
}

Result<std::unique_ptr<Backend>> make_uring_backend(Turn& turn,
                                                    const UringBackendOptions& options) {
  auto queue = UringQueue::open(turn.kernel, {.min_wait_us = options.min_wait_us});
  if (!queue) return std::unexpected(queue.error());
  auto backend = std::make_unique<UringBackend>(turn, options, std::move(*queue));
  if (const int failed = backend->open_buffers(); failed < 0) {
    return uring_failure(failed, "io_uring_register of a buffer ring");
  }
  return backend;
}

}  // namespace eddy
