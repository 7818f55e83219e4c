#include <eddy/core/epoll_zero_copy.h>
#include <eddy/core/held_bytes.h>
#include <eddy/core/readiness_io.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace eddy {
namespace {

// How long the end of a reactor waits for the kernel to let go.
constexpr int64_t kPatienceNs = 1'000'000'000;
// How long a closed stream's bytes may go unacknowledged: some time like tcp(7)'s
// tcp_orphan_retries gives to a connection whose descriptor is closed.
constexpr int kUserTimeoutMs = 100'000;

struct Notification {
  uint32_t first;
  uint32_t last;
  bool was_copied;
};

// What else may be in an error queue (ICMP's answers, if asked for) is passed over.
bool find_notification(msghdr& message, Notification& found) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    const bool tells = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
                       (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
    if (!tells || header->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    sock_extended_err error;
    memcpy(&error, CMSG_DATA(header), sizeof error);
    if (error.ee_origin != SO_EE_ORIGIN_ZEROCOPY) continue;
    found = {.first = error.ee_info,
             .last = error.ee_data,
             .was_copied = (error.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0};
    return true;
  }
  return false;
}

// What write_from describes at the most.
size_t described_bytes(SliceQueue& queue) {
  std::array<iovec, kMostPiecesPerSend> pieces;
  const int count = queue.gather(pieces.data(), kMostPiecesPerSend, kMostBytesPerSend);
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[static_cast<size_t>(i)].iov_len;
  return size;
}

}  // namespace

EpollZeroCopy::~EpollZeroCopy() {
  const bool is_child = kernel_.process_id() != process_;  // of fork(2): all is its parent's
  const int64_t give_up = kernel_.monotonic_ns() + kPatienceNs;
  while (watched_ != 0 && !is_child) {
    const int64_t left = give_up - kernel_.monotonic_ns();
    std::array<epoll_event, 16> events;
    const int count = left <= 0 ? -ETIME
                                : kernel_.epoll_wait(epoll_fd_, events.data(),
                                                     static_cast<int>(events.size()), left);
    if (count < 0 && count != -EINTR) break;
    for (const auto& socket : sockets_) {
      if (socket->fd >= 0) attend(*socket);
    }
  }
  for (const auto& socket : sockets_) {
    if (socket->fd >= 0 && !is_child) kernel_.close(socket->fd);
  }
  for (const auto& hold : holds_) leave_to_kernel(turn_.slices, hold->bytes);
}

// --- Sending

ssize_t EpollZeroCopy::write(Slot& slot, SliceQueue& queue, bool& full) {
  Socket* socket = slot.zero_copy_is_vain ? nullptr : socket_of(slot);
  Hold* held = socket == nullptr ? nullptr : hold(queue);
  if (held == nullptr) return write_from(turn_, slot, queue, full);
  const ssize_t sent = write_from(turn_, slot, queue, full, MSG_ZEROCOPY);
  if (sent <= 0) {
    give_back(*held);  // what fails takes no number
    // Too many notifications are due (net.core.optmem_max), or too much memory is locked
    // (RLIMIT_MEMLOCK).
    return sent == -ENOBUFS ? write_from(turn_, slot, queue, full) : sent;
  }
  ++turn_.counters.zero_copy_sends;
  const auto taken = static_cast<size_t>(sent);
  if (taken < held->bytes.bytes()) {
    held->bytes.clear(turn_.slices);
    hold_bytes(turn_.slices, queue, taken, held->bytes);
  }
  held->number = socket->next_number++;
  Hold** end = &socket->first;
  while (*end != nullptr) end = &(*end)->next;
  *end = held;
  return sent;
}

// That of a stream which may send in place, made by its first such send; nullptr: it may not.
EpollZeroCopy::Socket* EpollZeroCopy::socket_of(Slot& slot) {
  if (slot.zero_copy_index >= 0) return sockets_[static_cast<size_t>(slot.zero_copy_index)].get();
  slot.zero_copy_is_vain = true;
  if (!slot.is_tcp) return nullptr;
  // Where the option is on already, somebody else may have sent, and the numbers are unknown.
  int on = 0;
  socklen_t size = sizeof on;
  turn_.counters.system_calls += 2;
  if (kernel_.getsockopt(slot.fd, SOL_SOCKET, SO_ZEROCOPY, &on, &size) < 0 || on != 0) {
    return nullptr;
  }
  on = 1;
  if (kernel_.setsockopt(slot.fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) < 0) return nullptr;
  if (free_sockets_ == nullptr) {
    try {
      auto socket = std::make_unique<Socket>(*this);
      socket->index = static_cast<int>(sockets_.size());
      sockets_.push_back(std::move(socket));
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    free_sockets_ = sockets_.back().get();
  }
  Socket* socket = std::exchange(free_sockets_, free_sockets_->next_free);
  socket->next_number = 0;
  slot.zero_copy_index = socket->index;
  slot.zero_copy_is_vain = false;
  return socket;
}

// Counts on what the next send describes; nullptr: no memory.
EpollZeroCopy::Hold* EpollZeroCopy::hold(SliceQueue& queue) {
  if (free_holds_ == nullptr) {
    try {
      holds_.push_back(std::make_unique<Hold>());
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    free_holds_ = holds_.back().get();
  }
  if (!hold_bytes(turn_.slices, queue, described_bytes(queue), free_holds_->bytes)) return nullptr;
  Hold* hold = std::exchange(free_holds_, free_holds_->next);
  hold->next = nullptr;
  return hold;
}

void EpollZeroCopy::give_back(Hold& hold) {
  hold.bytes.clear(turn_.slices);
  hold.next = free_holds_;
  free_holds_ = &hold;
}

// --- The kernel lets go

bool EpollZeroCopy::read_notifications(Slot& slot) {
  Socket& socket = *sockets_[static_cast<size_t>(slot.zero_copy_index)];
  const bool any = read(socket, slot.fd, slot.zero_copy_is_vain);
  if (slot.zero_copy_is_vain && socket.first == nullptr) {
    slot.zero_copy_index = -1;
    forget(socket);
  }
  return any;
}

// Whether there were any; `copied` becomes true if one told so.
bool EpollZeroCopy::read(Socket& socket, int fd, bool& copied) {
  bool any = false;
  while (socket.first != nullptr) {
    alignas(cmsghdr) char control[256];
    msghdr message = {};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ++turn_.counters.system_calls;
    const ssize_t result = kernel_.recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (result == -EINTR) continue;
    if (result < 0) break;
    Notification told;
    if (!find_notification(message, told)) continue;
    any = true;
    copied = copied || told.was_copied;
    for (Hold** at = &socket.first; *at != nullptr;) {
      Hold& hold = **at;
      if (is_within(hold.number, told.first, told.last)) {
        *at = hold.next;
        give_back(hold);
      } else {
        at = &hold.next;
      }
    }
  }
  return any;
}

// --- A stream closes

bool EpollZeroCopy::outlive(Slot& slot) {
  Socket& socket = *sockets_[static_cast<size_t>(std::exchange(slot.zero_copy_index, -1))];
  const bool released = slot.release_descriptor;
  bool copied = false;
  read(socket, slot.fd, copied);
  bool watched = false;
  if (socket.first != nullptr && (released || end(slot.fd))) {
    read(socket, slot.fd, copied);  // a reset lets go at once
    if (socket.first != nullptr) {
      // The stream's own entry in the epoll becomes the watch's, which needs no memory.
      watched = released ? watch(socket, kernel_.duplicate(slot.fd), EPOLL_CTL_ADD)
                         : watch(socket, slot.fd, EPOLL_CTL_MOD);
    }
  }
  // Else, and without a watch, nobody will tell of those that are left: they are held for good.
  if (socket.first == nullptr) forget(socket);
  return watched && !released;
}

// What close(2) would do, as far as the peer can see. False: it must be close(2).
bool EpollZeroCopy::end(int fd) {
  linger state = {};
  socklen_t size = sizeof state;
  kernel_.getsockopt(fd, SOL_SOCKET, SO_LINGER, &state, &size);
  turn_.counters.system_calls += 2;
  if (state.l_onoff != 0 && state.l_linger == 0) {
    sockaddr nobody = {};
    nobody.sa_family = AF_UNSPEC;  // connect(2): dissolves the connection, by a reset
    return kernel_.connect(fd, &nobody, sizeof nobody) == 0;
  }
  int timeout_ms = 0;
  size = sizeof timeout_ms;
  kernel_.getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &size);
  if (timeout_ms == 0) {
    timeout_ms = kUserTimeoutMs;
    kernel_.setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
  }
  kernel_.shutdown(fd, SHUT_RDWR);
  return true;
}

bool EpollZeroCopy::watch(Socket& socket, int fd, int operation) {
  if (fd < 0) return false;
  socket.role = SlotRole::kWatch;
  socket.interest = Interest::kError;
  epoll_event event = {};
  event.events = EPOLLET;  // errors are told unasked
  event.data.u64 = socket.id().bits();
  ++turn_.counters.system_calls;
  if (kernel_.epoll_ctl(epoll_fd_, operation, fd, &event) < 0) return false;
  socket.fd = fd;
  ++watched_;
  return true;
}

void EpollZeroCopy::attend(Socket& socket) {
  bool copied = false;
  read(socket, socket.fd, copied);
  if (socket.first != nullptr) return;
  const int fd = std::exchange(socket.fd, -1);
  epoll_event none = {};
  kernel_.epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, &none);  // duplicates may keep it open
  kernel_.close(fd);
  turn_.counters.system_calls += 2;
  --watched_;
  forget(socket);
}

void EpollZeroCopy::forget(Socket& socket) {
  ++socket.generation;
  socket.next_free = free_sockets_;
  free_sockets_ = &socket;
}

}  // namespace eddy
