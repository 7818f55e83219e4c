#include <eddy/core/canary.h>
#include <eddy/core/epoll_backend.h>
#include <eddy/core/epoll_backend_parts.h>
#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <utility>

namespace eddy {
namespace {

// What one stream may read before the others have their turn.
constexpr size_t kReadBudgetBytes = 1024 * 1024;
constexpr int kReadBudgetCalls = 16;
constexpr uint32_t kStreamEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
// Nothing is asked for; a hang-up or an error, which cannot be declined, is told once and does not
// spin.
constexpr uint32_t kIdleEvents = EPOLLET;

// What lets one pair of functions serve poll's events and epoll's.
static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI &&
              EPOLLHUP == POLLHUP && EPOLLERR == POLLERR);

}  // namespace

EpollBackend::~EpollBackend() {
  zero_copy_.reset();
  kernel_.close(epoll_fd_);
}

int EpollBackend::control(int operation, Slot& slot, uint32_t events) {
  ++turn_.counters.system_calls;
  epoll_event event = {};
  event.events = events;
  event.data.u64 = slot.id().bits();
  return kernel_.epoll_ctl(epoll_fd_, operation, slot.fd, &event);
}

int EpollBackend::add(Slot& slot) {
  // A socket can be written until it says otherwise; whether it can be read, the first event tells.
  slot.readiness = kCanWrite;
  const bool transfers = slot.role == SlotRole::kStream || slot.role == SlotRole::kMessages;
  const int result = control(EPOLL_CTL_ADD, slot, transfers ? kStreamEvents : kIdleEvents);
  if (result == 0) ++in_flight_;
  return result;
}

void EpollBackend::accept(Slot& slot) {
  slot.wanted |= kAccepting;
  control(EPOLL_CTL_MOD, slot, EPOLLIN);
}

void EpollBackend::stop_accepting(Slot& slot) {
  if ((slot.wanted & kAccepting) == 0) return;
  slot.wanted &= ~kAccepting;
  control(EPOLL_CTL_MOD, slot, kIdleEvents);
}

void EpollBackend::receive(Slot& slot) {
  slot.wanted |= kReceiving;
  if ((slot.readiness & kCanRead) != 0 && !slot.parked) ready_.push(slot);
}

int EpollBackend::send(Slot& slot, SliceQueue& queue) {
  if ((slot.readiness & kCanWrite) != 0) {
    const ssize_t sent = write(slot, queue);
    if (sent != -EAGAIN) return static_cast<int>(sent);
  }
  slot.wanted |= kSending;
  return kPending;
}

inline ssize_t EpollBackend::write(Slot& slot, SliceQueue& queue) {
  bool full = false;
  const ssize_t sent = queue.bytes() < zero_copy_bytes_ ? write_from(turn_, slot, queue, full)
                                                        : zero_copy_->write(slot, queue, full);
  if (full) slot.readiness &= ~kCanWrite;
  return sent;
}

void EpollBackend::send_next_turn(Slot& slot) {
  slot.wanted |= kSending;
  go_on_next_turn(slot);
}

void EpollBackend::go_on_next_turn(Slot& slot) {
  leave_parked(slot);  // it parks again if it has to
  ready_.push(slot);
}

void EpollBackend::await_input(Slot& slot, Found found) {
  slot.wanted |= kAwaitsInput;
  const bool may_be_more = !slot.is_tcp || (slot.readiness & kReadToTheEnd) != 0;
  if (found == Found::kNone) {
    slot.readiness &= ~(kCanRead | kReadToTheEnd);
  } else if (found == Found::kLess && !may_be_more) {
    slot.readiness &= ~kCanRead;
  }
  if ((slot.readiness & kCanRead) != 0) go_on_next_turn(slot);
}

void EpollBackend::await_room(Slot& slot, Found found) {
  slot.wanted |= kAwaitsRoom;
  if (found == Found::kNone || (found == Found::kLess && slot.is_tcp)) {
    slot.readiness &= ~kCanWrite;
  }
  if ((slot.readiness & kCanWrite) != 0) go_on_next_turn(slot);
}

void EpollBackend::interrupt_send(Slot& slot) {
  if ((slot.wanted & kSending) == 0) return;
  slot.wanted |= kInterrupted;
  send_next_turn(slot);
}

void EpollBackend::connect(Slot& slot, const sockaddr* address, socklen_t length) {
  ++turn_.counters.system_calls;
  ++in_flight_;
  slot.wanted |= kConnecting;
  slot.connect_result = kernel_.connect(slot.fd, address, length);
  // An interrupted connect goes on by itself, like one in progress (connect(2), EINTR).
  if (slot.connect_result == -EINTR) slot.connect_result = -EINPROGRESS;
  if (slot.connect_result == 0 || slot.connect_result == -EINPROGRESS) {
    // Only now: an unconnected socket in the set would report a hang-up at once.
    const int added = control(EPOLL_CTL_ADD, slot, kStreamEvents);
    if (added < 0) slot.connect_result = added;
  }
  if (slot.connect_result != -EINPROGRESS) ready_.push(slot);
}

// Told of anew what it is ready for: epoll_ctl(2) looks at that whenever the entry is modified.
void EpollBackend::hand_over(Slot& from, Slot& to) {
  to.fd = std::exchange(from.fd, -1);
  to.readiness = from.readiness;
  from.closing = true;
  control(EPOLL_CTL_MOD, to, kStreamEvents);
}

void EpollBackend::watch(Slot& slot, Interest interest) {
  if (interest == slot.interest) return;
  slot.interest = interest;
  control(EPOLL_CTL_MOD, slot,
          interest == Interest::kNone ? kIdleEvents : to_poll_events(interest));
}

void EpollBackend::close(Slot& slot) {
  slot.closing = true;
  slot.wanted = 0;
  if (slot.fd < 0) {
    ++in_flight_;
    return closed_.push(slot);
  }
  const bool taken_over = slot.zero_copy_index >= 0 && zero_copy_->outlive(slot);
  // The entry goes with the last descriptor of its socket (epoll(7), Q6): where there may be
  // others, it is removed. A child that was forked and executes nothing has one unseen; what such
  // an entry still tells names this slot's generation, which is over.
  const bool entry_may_stay = slot.is_shared || slot.release_descriptor;
  if (entry_may_stay && !taken_over) control(EPOLL_CTL_DEL, slot, 0);
  if (!slot.release_descriptor && !taken_over) {
    ++turn_.counters.system_calls;
    kernel_.close(slot.fd);
  }
  leave_parked(slot);
  // One that is in the ready list is found there.
  if (!slot.in_ready_list) closed_.push(slot);
}

int EpollBackend::wait(int64_t timeout_ns) {
  ++turn_.counters.system_calls;
  const int count = kernel_.epoll_wait(epoll_fd_, events_.data(), static_cast<int>(events_.size()),
                                       has_ready() ? 0 : timeout_ns);
  event_count_ = std::max(count, 0);
  return count == -EINTR ? 0 : std::min(count, 0);
}

void EpollBackend::dispatch() {
  while (!parked_.empty() && can_unpark()) {
    Slot* slot = parked_.pop();
    slot->parked = false;
    ready_.push(*slot);
    if (!turn_.ring.has_free()) break;
  }
  if (can_unpark_messages()) [[unlikely]]
    unpark_messages();
  // What joins the ready list from now on has its turn in the next one.
  ReadyList due = ready_.take_all();
  for (int i = 0; i < event_count_; ++i) {
    const SocketId id(events_[static_cast<size_t>(i)].data.u64);
    Slot& slot = *id.slot();
    // Closed earlier in this batch, or the event is of an earlier use of this memory.
    if (slot.closing || !id.names(slot)) continue;
    on_event(slot, events_[static_cast<size_t>(i)].events);
  }
  event_count_ = 0;
  while (Slot* slot = due.pop()) {
    if (slot->closing) {
      closed_.push(*slot);
    } else if ((slot->wanted & kConnecting) != 0) {
      finish_connect(*slot, slot->connect_result);
    } else if (slot->role == SlotRole::kMessages) {
      on_messages(*slot);
    } else {
      on_stream(*slot);
    }
  }
  while (Slot* slot = closed_.pop()) {
    --in_flight_;
    ++turn_.counters.completions;
    slot->on_closed();
  }
}

// Here and below, what only this file calls: so that the compiler takes it for a part of
// `dispatch`.
inline void EpollBackend::on_event(Slot& slot, uint32_t events) {
  if (slot.role == SlotRole::kListener) return accept_some(slot);
  if (slot.role == SlotRole::kWatch) {
    if (slot.interest == Interest::kNone) return;
    ++turn_.counters.completions;
    return slot.on_ready(from_poll_events(events));
  }
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) events = meaning_of_error(slot, events);
  if ((events & EPOLLIN) != 0) slot.readiness |= kCanRead;
  if ((events & EPOLLOUT) != 0) slot.readiness |= kCanWrite;
  if ((events & (EPOLLRDHUP | EPOLLPRI)) != 0) slot.readiness |= kReadToTheEnd;
  if (slot.role == SlotRole::kMessages) return on_messages(slot);
  if ((slot.wanted & kConnecting) != 0) {
    if ((events & EPOLLOUT) == 0) return;
    if ((events & (EPOLLERR | EPOLLHUP)) == 0) return finish_connect(slot, 0);
    int error = 0;
    socklen_t size = sizeof error;
    const int failed = kernel_.getsockopt(slot.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return finish_connect(slot, failed < 0 ? failed : -error);
  }
  on_stream(slot);
}

// Something to be met by reading and by writing, whichever comes first. With notifications of
// zero-copy sends it may be they alone: a read tells, as it tells of an error that is no hang-up.
uint32_t EpollBackend::meaning_of_error(Slot& slot, uint32_t events) {
  const bool notified = slot.zero_copy_index >= 0 && zero_copy_->read_notifications(slot);
  events |= EPOLLIN | EPOLLRDHUP;
  return notified && (events & EPOLLHUP) == 0 ? events : events | EPOLLOUT;
}

void EpollBackend::finish_connect(Slot& slot, int result) {
  slot.wanted &= ~kConnecting;
  if (result == 0) slot.readiness |= kCanWrite;
  ++turn_.counters.completions;
  slot.on_connect(result);
}

inline void EpollBackend::on_stream(Slot& slot) {
  turn_.flushed_by_backend = &slot;
  if ((slot.wanted & (kSending | kAwaitsInput | kAwaitsRoom)) != 0) on_awaited(slot);
  if ((slot.wanted & kReceiving) != 0 && (slot.readiness & kCanRead) != 0) read_some(slot);
  turn_.flushed_by_backend = nullptr;
  if (!slot.flush_wanted) return;
  slot.flush_wanted = false;
  turn_.want_flush(slot);
}

void EpollBackend::on_awaited(Slot& slot) {
  if ((slot.wanted & kSending) != 0) retry_send(slot);
  if ((slot.wanted & kAwaitsRoom) != 0 && (slot.readiness & kCanWrite) != 0) {
    slot.wanted &= ~kAwaitsRoom;
    ++turn_.counters.completions;
    slot.on_room();
    flush(slot);
  }
  if ((slot.wanted & kAwaitsInput) != 0 && (slot.readiness & kCanRead) != 0) {
    slot.wanted &= ~kAwaitsInput;
    ++turn_.counters.completions;
    slot.on_input();
    flush(slot);
  }
}

void EpollBackend::flush(Slot& slot) {
  if (!slot.flush_wanted) return;
  slot.flush_wanted = false;
  slot.flush();
}

void EpollBackend::retry_send(Slot& slot) {
  ssize_t sent = -EAGAIN;
  if ((slot.readiness & kCanWrite) != 0) sent = write(slot, *slot.output());
  if (sent == -EAGAIN) {  // spurious, unless it is to be given up
    if ((slot.wanted & kInterrupted) == 0) return;
    sent = 0;
  }
  slot.wanted &= ~(kSending | kInterrupted);
  ++turn_.counters.completions;
  slot.on_send(static_cast<int>(sent));
  flush(slot);
}

inline void EpollBackend::read_some(Slot& slot) {
  size_t budget_bytes = kReadBudgetBytes;
  int budget_calls = kReadBudgetCalls;
  while ((slot.wanted & kReceiving) != 0 && (slot.readiness & kCanRead) != 0) {
    if (budget_calls-- == 0 || budget_bytes == 0) return ready_.push(slot);
    if (!read_once(slot, budget_bytes)) return;
  }
}

// False when there is no room to read into.
inline bool EpollBackend::read_once(Slot& slot, size_t& budget_bytes) {
  const std::span<char> room = read_cursor_.room(kLeastReadRoom);
  if (room.empty()) {
    park(slot);
    return false;
  }
  bool in_parts = false;
  const ssize_t count = read_into(turn_, slot, room, in_parts);
  if (count <= 0) {
    slot.readiness &= ~(kCanRead | kReadToTheEnd);
    if (count != -EAGAIN) deliver_end(slot, static_cast<int>(count));
    return true;
  }
  const auto size = static_cast<size_t>(count);
  if (size < room.size() && !in_parts && (slot.readiness & kReadToTheEnd) == 0) {
    slot.readiness &= ~kCanRead;
  }
  budget_bytes -= std::min(size, budget_bytes);
  turn_.counters.bytes_received += size;
  ++turn_.counters.completions;
  slot.on_receive(read_cursor_.fill(size));
  flush(slot);
  return true;
}

void EpollBackend::deliver_end(Slot& slot, int error) {
  slot.wanted &= ~kReceiving;
  ++turn_.counters.completions;
  slot.on_receive_end(error);
  flush(slot);
}

void EpollBackend::park(Slot& slot) {
  if (slot.in_ready_list) return;  // parked already, or its turn comes yet and will park it
  ++turn_.counters.buffer_exhaustions;
  ++turn_.counters.parked;
  turn_.relief_wanted = true;
  if (EDDY_CANARY(kLostRearm)) return;
  slot.parked = true;
  parked_.push(slot);
}

void EpollBackend::accept_some(Slot& slot) {
  for (uint32_t i = 0; i < slot.accepts_per_turn && (slot.wanted & kAccepting) != 0; ++i) {
    ++turn_.counters.system_calls;
    const int fd = kernel_.accept4(slot.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd == -EAGAIN) return;
    if (fd == -EINTR) continue;
    ++turn_.counters.completions;
    slot.on_accept(fd);
  }
}

Result<std::unique_ptr<Backend>> make_epoll_backend(Turn& turn, uint32_t zero_copy_bytes) {
  const int fd = turn.kernel.epoll_create();
  if (fd < 0) return failure(fd, "epoll_create1");
  std::unique_ptr<Backend> backend(
      new (std::nothrow) EpollBackend(turn, fd, zero_copy_bytes == 0 ? SIZE_MAX : zero_copy_bytes));
  if (backend != nullptr) return backend;
  turn.kernel.close(fd);
  return failure(-ENOMEM, "epoll_create1");
}

}  // namespace eddy
