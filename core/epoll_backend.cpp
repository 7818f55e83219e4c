#include <eddy/core/canary.h>
#include <eddy/core/epoll_backend.h>
#include <eddy/core/kernel.h>
#include <eddy/core/readiness_io.h>
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>

namespace eddy {
namespace {

// Slot::readiness: what the last events told and no call has refuted.
constexpr uint8_t kCanRead = 1;
constexpr uint8_t kCanWrite = 2;
constexpr uint8_t kReadToTheEnd =
    4;  // a short read does not mean empty: an end, an error or urgent data is behind it
// … nor ever, since what is read has bounds that a read does not cross: a terminal's lines,
// messages of a pipe with O_DIRECT (pipe(2)), descriptors that came with bytes (unix(7),
// SCM_RIGHTS).
constexpr uint8_t kReadInParts = 8;

// Slot::wanted.
constexpr uint8_t kReceiving = 1;
constexpr uint8_t kSending = 2;
constexpr uint8_t kConnecting = 4;
constexpr uint8_t kAccepting = 8;
constexpr uint8_t kInterrupted = 16;  // the send that waits is to be given up

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

class EpollBackend final : public Backend {
 public:
  EpollBackend(Turn& turn, int epoll_fd)
      : turn_(turn), kernel_(turn.kernel), epoll_fd_(epoll_fd), read_cursor_(turn.ring) {}
  ~EpollBackend() override { kernel_.close(epoll_fd_); }

  BackendKind kind() const override { return BackendKind::kEpoll; }
  int add(Slot& slot) override;
  void accept(Slot& slot) override;
  void stop_accepting(Slot& slot) override;
  void receive(Slot& slot) override;
  void stop_receiving(Slot& slot) override { slot.wanted &= ~kReceiving; }
  int send(Slot& slot, SliceQueue& queue) override;
  void send_next_turn(Slot& slot) override;
  void interrupt_send(Slot& slot) override;
  void connect(Slot& slot, const sockaddr* address, socklen_t length) override;
  void watch(Slot& slot, Interest interest) override;
  void close(Slot& slot) override;
  int wait(int64_t timeout_ns) override;
  void dispatch() override;
  bool has_ready() const override {
    return event_count_ != 0 || !ready_.empty() || !closed_.empty() ||
           (!parked_.empty() && can_unpark());
  }
  int poll_descriptor() override { return epoll_fd_; }
  size_t in_flight() const override { return in_flight_; }
  bool starves() const override { return !parked_.empty() && !can_unpark(); }

 private:
  int control(int operation, Slot& slot, uint32_t events);
  void on_event(Slot& slot, uint32_t events);
  void on_stream(Slot& slot);
  void accept_some(Slot& slot);
  void finish_connect(Slot& slot, int result);
  void retry_send(Slot& slot);
  void read_some(Slot& slot);
  bool read_once(Slot& slot, size_t& budget_bytes);
  void deliver_end(Slot& slot, int error);
  void park(Slot& slot);
  bool can_unpark() const { return read_cursor_.has_room(kLeastReadRoom); }
  static void flush(Slot& slot);

  Turn& turn_;
  Kernel& kernel_;
  const int epoll_fd_;
  SegmentCursor read_cursor_;
  ReadyList ready_;    // streams to go on with though no event will tell
  ParkedList parked_;  // streams that wait for a segment
  ReadyList closed_;   // slots whose on_closed is due
  size_t in_flight_ = 0;
  int event_count_ = 0;
  std::array<epoll_event, 512> events_;
};

int EpollBackend::control(int operation, Slot& slot, uint32_t events) {
  ++turn_.counters.system_calls;
  epoll_event event = {};
  event.events = events;
  event.data.u64 = slot.id().bits();
  return kernel_.epoll_ctl(epoll_fd_, operation, slot.fd, &event);
}

int EpollBackend::add(Slot& slot) {
  // A socket can be written until it says otherwise; whether it can be read, the first event tells.
  slot.readiness = kCanWrite | (slot.is_tcp ? 0 : kReadInParts);
  const int result =
      control(EPOLL_CTL_ADD, slot, slot.role == SlotRole::kStream ? kStreamEvents : kIdleEvents);
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
    bool full = false;
    const ssize_t sent = write_from(turn_, slot, queue, full);
    if (full) slot.readiness &= ~kCanWrite;
    if (sent != -EAGAIN) return static_cast<int>(sent);
  }
  slot.wanted |= kSending;
  return kPending;
}

void EpollBackend::send_next_turn(Slot& slot) {
  slot.wanted |= kSending;
  if (slot.parked) {  // it parks again once the send is over
    slot.parked = false;
    parked_.remove(slot);
  }
  ready_.push(slot);
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

void EpollBackend::watch(Slot& slot, Interest interest) {
  if (interest == slot.interest) return;
  slot.interest = interest;
  control(EPOLL_CTL_MOD, slot,
          interest == Interest::kNone ? kIdleEvents : to_poll_events(interest));
}

void EpollBackend::close(Slot& slot) {
  slot.closing = true;
  slot.wanted = 0;
  // Removed first: where the descriptor was duplicated or inherited, closing it would leave the
  // entry (epoll(7), Q6).
  control(EPOLL_CTL_DEL, slot, 0);
  if (!slot.release_descriptor) {
    ++turn_.counters.system_calls;
    kernel_.close(slot.fd);
  }
  if (slot.parked) {
    slot.parked = false;
    parked_.remove(slot);
  }
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

void EpollBackend::on_event(Slot& slot, uint32_t events) {
  if (slot.role == SlotRole::kListener) return accept_some(slot);
  if (slot.role == SlotRole::kWatch) {
    if (slot.interest == Interest::kNone) return;
    ++turn_.counters.completions;
    return slot.on_ready(from_poll_events(events));
  }
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) events |= EPOLLIN | EPOLLOUT | EPOLLRDHUP;
  if ((events & EPOLLIN) != 0) slot.readiness |= kCanRead;
  if ((events & EPOLLOUT) != 0) slot.readiness |= kCanWrite;
  if ((events & (EPOLLRDHUP | EPOLLPRI)) != 0) slot.readiness |= kReadToTheEnd;
  if ((slot.wanted & kConnecting) != 0) {
    if ((events & EPOLLOUT) == 0) return;
    int error = 0;
    socklen_t size = sizeof error;
    const int failed = kernel_.getsockopt(slot.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return finish_connect(slot, failed < 0 ? failed : -error);
  }
  on_stream(slot);
}

void EpollBackend::finish_connect(Slot& slot, int result) {
  slot.wanted &= ~kConnecting;
  if (result == 0) slot.readiness |= kCanWrite;
  ++turn_.counters.completions;
  slot.on_connect(result);
}

void EpollBackend::on_stream(Slot& slot) {
  turn_.flushed_by_backend = &slot;
  if ((slot.wanted & kSending) != 0) retry_send(slot);
  if ((slot.wanted & kReceiving) != 0 && (slot.readiness & kCanRead) != 0) read_some(slot);
  turn_.flushed_by_backend = nullptr;
  if (!slot.flush_wanted) return;
  slot.flush_wanted = false;
  turn_.want_flush(slot);
}

void EpollBackend::flush(Slot& slot) {
  if (!slot.flush_wanted) return;
  slot.flush_wanted = false;
  slot.flush();
}

void EpollBackend::retry_send(Slot& slot) {
  ssize_t sent = -EAGAIN;
  if ((slot.readiness & kCanWrite) != 0) {
    bool full = false;
    sent = write_from(turn_, slot, *slot.output(), full);
    if (full) slot.readiness &= ~kCanWrite;
  }
  if (sent == -EAGAIN) {  // spurious, unless it is to be given up
    if ((slot.wanted & kInterrupted) == 0) return;
    sent = 0;
  }
  slot.wanted &= ~(kSending | kInterrupted);
  ++turn_.counters.completions;
  slot.on_send(static_cast<int>(sent));
  flush(slot);
}

void EpollBackend::read_some(Slot& slot) {
  size_t budget_bytes = kReadBudgetBytes;
  int budget_calls = kReadBudgetCalls;
  while ((slot.wanted & kReceiving) != 0 && (slot.readiness & kCanRead) != 0) {
    if (budget_calls-- == 0 || budget_bytes == 0) return ready_.push(slot);
    if (!read_once(slot, budget_bytes)) return;
  }
}

// False when there is no room to read into.
bool EpollBackend::read_once(Slot& slot, size_t& budget_bytes) {
  const std::span<char> room = read_cursor_.room(kLeastReadRoom);
  if (room.empty()) {
    park(slot);
    return false;
  }
  const ssize_t count = read_into(turn_, slot, room);
  if (count <= 0) {
    slot.readiness &= ~(kCanRead | kReadToTheEnd);
    if (count != -EAGAIN) deliver_end(slot, static_cast<int>(count));
    return true;
  }
  const auto size = static_cast<size_t>(count);
  if (size < room.size() && (slot.readiness & (kReadToTheEnd | kReadInParts)) == 0) {
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

}  // namespace

Result<std::unique_ptr<Backend>> make_epoll_backend(Turn& turn) {
  const int fd = turn.kernel.epoll_create();
  if (fd < 0) return failure(fd, "epoll_create1");
  std::unique_ptr<Backend> backend(new (std::nothrow) EpollBackend(turn, fd));
  if (backend != nullptr) return backend;
  turn.kernel.close(fd);
  return failure(-ENOMEM, "epoll_create1");
}

}  // namespace eddy
