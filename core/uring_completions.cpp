#include <eddy/core/canary.h>
#include <eddy/core/uring_backend_parts.h>
#include <eddy/core/vector_room_internal.h>
#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <utility>

namespace eddy {

namespace {

constexpr int kReadBudgetCalls = 16;

}  // namespace

void UringBackend::dispatch() {
  // What the kernel adds from now on has its turn in the next one.
  const unsigned ready = queue_->ready();
  settle_tries(ready);
  if (accepts_due_) [[unlikely]]
    offer_held_accepts();
  if (!parked_by_hand_.empty()) [[unlikely]]
    unpark_by_hand();
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
  // First and always, in the queue's order: the kernel has moved on in this segment, whoever the
  // bytes were for.
  Slice bytes;
  const SocketId id(completion.user_data);
  const auto operation = static_cast<Operation>(id.operation());
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
    bytes = (operation == kReceiveMessages ? *messages_ : buffers_).take(completion);
  }
  if (operation == kTrySend) return;  // settled
  if (operation == kZeroCopy) return complete_zero_copy(completion);
  if (operation == kDemoted) {
    return direct_.give(static_cast<int>(completion.user_data >> kIndexShift));
  }
  Slot& slot = *id.slot();
  if (!id.names(slot)) return;
  if ((completion.flags & IORING_CQE_F_MORE) == 0) slot.in_flight &= ~bit(operation);
  if (!slot.closing || (EDDY_CANARY(kLateCompletion) && operation == kReceive)) {
    return complete_live(slot, operation, completion, std::move(bytes));
  }

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
    case kReceiveMessages: return complete_messages(slot, completion, std::move(bytes));
    case kSend: slot.send_waits = false; return complete_send(slot, completion.result);
    case kAccept: return complete_accept(slot, completion.result);
    case kConnect: return complete_connect(slot, completion.result);
    case kPoll: return complete_poll(slot, completion.result);
    case kPollToWrite: return complete_poll_to_write(slot);
    case kPromote: return complete_promote(slot, completion.result);
    case kCancel: return complete_cancel(slot);
    default: return;
  }
}

// Those that are wanted again by now are started again at their end, like any that ends.
void UringBackend::complete_cancel(Slot& slot) {
  const uint16_t missed = std::exchange(slot.to_cancel, uint16_t{0});
  for (const Operation operation :
       {kAccept, kReceive, kSend, kPoll, kPollToWrite, kReceiveMessages}) {
    if ((missed & bit(operation)) != 0) cancel(slot, operation);
  }
}

void UringBackend::complete_connect(Slot& slot, int result) {
  if (result == 0) result = slot.connect_result;
  slot.on_connect(result == -EFAULT ? -ENOMEM : result);
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
  if ((slot.wanted & kReceiving) == 0) {
    if ((slot.wanted & kAwaitsInput) != 0) await_input(slot, Found::kMore);
    return;
  }
  if (result == -ENOBUFS && EDDY_CANARY(kLostRearm)) return;
  if (result == -ENOBUFS) return park(slot);
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

// Until the next `wait`, if there are segments to hand over; else until one comes back.
void UringBackend::park(Slot& slot) {
  const bool by_hand = slot.transfer != Transfer::kPlain;
  if (by_hand || !can_unpark()) {
    ++turn_.counters.parked;
    turn_.relief_wanted = true;
  }
  slot.parked = true;
  (by_hand ? parked_by_hand_ : parked_).push(slot);
}

void UringBackend::complete_send(Slot& slot, int result) {
  if (result == -EINTR || result == -EAGAIN) return start_send(slot, *slot.output(), kSend);
  slot.on_send(result == -ECANCELED ? 0 : result);
}

// Twice: when the bytes are taken, and, if that says so, when the kernel has let go of their
// memory.
void UringBackend::complete_zero_copy(const UringQueue::Completion& completion) {
  constexpr uint64_t kAddress = ~SocketId::kOperationMask;
  auto& hold = *reinterpret_cast<UringZeroCopy::Hold*>(completion.user_data & kAddress);
  Slot& slot = *hold.slot;
  if ((completion.flags & uring::kCompletionNotification) != 0) {
    if ((static_cast<uint32_t>(completion.result) & uring::kNotificationCopied) != 0 &&
        hold.slot_lives()) {
      slot.zero_copy_is_vain = true;
    }
    return zero_copy_.release(hold);
  }
  hold.is_sending = false;
  if ((completion.flags & IORING_CQE_F_MORE) == 0) zero_copy_.release(hold);
  slot.in_flight &= ~bit(kSend);
  if (slot.closing) {
    if (slot.in_flight == 0) finish_close(slot);
    return;
  }
  ++turn_.counters.completions;
  // Not for this kind of socket, or not by this kernel (Linux 6.1).
  if (completion.result == -EOPNOTSUPP || completion.result == -EINVAL) {
    slot.zero_copy_is_vain = true;
    return start_send(slot, *slot.output(), kTrySend);
  }
  // No more memory may be locked (RLIMIT_MEMLOCK): this one is an ordinary send.
  if (completion.result == -ENOMEM || completion.result == -ENOBUFS) {
    return start_send(slot, *slot.output(), kTrySend);
  }
  complete_send(slot, completion.result);
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
  if (result >= 0) {
    offer_accepted(slot, result);
  } else if (result != -ECANCELED && result != -EINTR && result != -EAGAIN) {
    slot.on_accept(result);
  }
  go_on_accepting(slot);
}

// A multishot accept takes all of the backlog at once. What is beyond the listener's share of this
// turn, or comes after it was told to stop, is held: everybody else has a turn first.
void UringBackend::offer_accepted(Slot& slot, int descriptor) {
  if (slot.accept_turn != turn_.counters.turns) {
    slot.accept_turn = turn_.counters.turns;
    slot.accepts_this_turn = 0;
  }
  if ((slot.wanted & kFinishesAccepts) != 0) return slot.on_accept(descriptor);
  const bool accepts = (slot.wanted & kAccepting) != 0;
  if (accepts && slot.accepts_this_turn++ < slot.accepts_per_turn)
    return slot.on_accept(descriptor);
  if (!make_room(held_accepts_)) {  // no memory: this connection is lost
    ++turn_.counters.accept_failures;
    kernel_.close(descriptor);
    return;
  }
  held_accepts_.push_back({slot.id(kAccept), descriptor});
  slot.wanted |= kHoldsAccepts;
  accepts_due_ = accepts_due_ || accepts;
}

void UringBackend::go_on_accepting(Slot& slot) {
  if (slot.closing) return;
  if ((slot.wanted & kFinishesAccepts) != 0) return finish_if_none_is_left(slot);
  if ((slot.wanted & kAccepting) == 0) return;
  if ((slot.wanted & kHoldsAccepts) != 0) {
    cancel(slot, kAccept);
  } else if ((slot.in_flight & bit(kAccept)) == 0) {
    arm_accept(slot);
  }
}

void UringBackend::finish_if_none_is_left(Slot& slot) {
  const bool some = (slot.in_flight & bit(kAccept)) != 0 || (slot.wanted & kHoldsAccepts) != 0;
  if (!some) slot.on_accept(-ECANCELED);
}

void UringBackend::offer_held_accepts() {
  accepts_due_ = false;
  const std::vector<HeldAccept> due = std::exchange(held_accepts_, {});
  const auto listens = [](const HeldAccept& held) {
    return held.id.names(*held.id.slot()) && !held.id.slot()->closing;
  };
  for (const HeldAccept& held : due) {
    if (listens(held)) held.id.slot()->wanted &= ~kHoldsAccepts;
  }
  for (const HeldAccept& held : due) {
    if (listens(held)) {
      offer_accepted(*held.id.slot(), held.descriptor);
    } else {
      kernel_.close(held.descriptor);
    }
  }
  for (const HeldAccept& held : due) {
    if (listens(held)) go_on_accepting(*held.id.slot());
  }
}

void UringBackend::complete_poll(Slot& slot, int result) {
  if (slot.role == SlotRole::kStream) {
    if ((slot.wanted & kAwaitsInput) != 0) {
      slot.wanted &= ~kAwaitsInput;
      slot.on_input();
    }
    if ((slot.wanted & kReceiving) != 0) read_by_hand(slot);
    return;
  }
  if (result != -ECANCELED && slot.interest != Interest::kNone) {
    slot.on_ready(result < 0 ? Interest::kError : from_poll_events(static_cast<uint32_t>(result)));
  }
  if (slot.closing || slot.interest == Interest::kNone) return;
  if ((slot.in_flight & bit(kPoll)) == 0) arm_poll(slot, kPoll, to_poll_events(slot.interest));
}

void UringBackend::read_by_hand(Slot& slot) {
  for (int calls = 0; calls < kReadBudgetCalls && (slot.wanted & kReceiving) != 0; ++calls) {
    const std::span<char> room = read_cursor_.room(kLeastReadRoom);
    if (room.empty()) {
      ++turn_.counters.buffer_exhaustions;
      return park(slot);
    }
    bool in_parts = false;  // each read follows a poll, which is level-triggered
    const ssize_t count = read_into(turn_, slot, room, in_parts);
    if (count == -EAGAIN) break;
    if (count <= 0) return end_receive(slot, static_cast<int>(count));
    deliver(slot, read_cursor_.fill(static_cast<size_t>(count)));
  }
  const bool armed = (slot.in_flight & bit(kPoll)) != 0;
  if ((slot.wanted & kReceiving) != 0 && !armed) arm_poll(slot, kPoll, POLLIN);
}

void UringBackend::complete_poll_to_write(Slot& slot) {
  if ((slot.wanted & kAwaitsRoom) == 0) return write_by_hand(slot);
  slot.wanted &= ~kAwaitsRoom;
  slot.on_room();
}

void UringBackend::write_by_hand(Slot& slot) {
  if ((slot.wanted & kSendingByHand) == 0) return;
  bool full = false;
  ssize_t sent = write_from(turn_, slot, *slot.output(), full);
  if (sent == -EAGAIN && (slot.wanted & kInterrupted) == 0) {
    return arm_poll(slot, kPollToWrite, POLLOUT);
  }
  if (sent == -EAGAIN) sent = 0;
  slot.wanted &= ~(kSendingByHand | kInterrupted);
  slot.on_send(static_cast<int>(sent));
}

}  // namespace eddy
