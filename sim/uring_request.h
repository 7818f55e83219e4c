// An operation of a simulated io_uring, from its submission to its last completion.
//
// What it is: Linux's io_kiocb. It holds its file, so closing the descriptor does not end it; while
// it is armed it waits on that file, and once woken it is task work, which runs when its ring is
// entered.
//
// Ownership: a ring's, in a pool.
#pragma once

#include <eddy/core/uring_abi.h>
#include <eddy/sim/file.h>
#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <vector>

namespace eddy::sim {

class Uring;

template <typename T>
struct ListHook {
  T* next = nullptr;
  T* previous = nullptr;
};

// A list whose links lie in its elements: nothing is allocated, and any of them can leave.
template <typename T, ListHook<T> T::* Hook>
class LinkedList {
 public:
  bool empty() const { return first_ == nullptr; }
  size_t size() const { return size_; }
  T* first() const { return first_; }
  static T* next(const T& item) { return (item.*Hook).next; }
  // The n-th from the first, from 0.
  T* at(size_t n) const {
    T* item = first_;
    while (n-- != 0) item = (item->*Hook).next;
    return item;
  }
  void push_back(T& item) {
    (item.*Hook) = {nullptr, last_};
    (last_ == nullptr ? first_ : (last_->*Hook).next) = &item;
    last_ = &item;
    ++size_;
  }
  void remove(T& item) {
    auto& [next, previous] = item.*Hook;
    (previous == nullptr ? first_ : (previous->*Hook).next) = next;
    (next == nullptr ? last_ : (next->*Hook).previous) = previous;
    next = previous = nullptr;
    --size_;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
  size_t size_ = 0;
};

struct UringRequest final : Waiter {
  enum class Stage : uint8_t {
    kRunning,
    kCancelled,  // its completion is to say so
    kNotifying,  // a zero-copy send that has completed: its notification is due
  };
  enum class Place : uint8_t { kNowhere, kDue, kLate };

  explicit UringRequest(Uring& owner) : ring(owner) {}
  void on_wake(uint32_t events) override;

  bool has_flag(uint8_t flag) const { return (entry.flags & flag) != 0; }
  bool is_zero_copy() const {
    return entry.opcode == uring::kOperationSendZeroCopy ||
           entry.opcode == uring::kOperationSendMessageZeroCopy;
  }
  bool has_header() const {  // a msghdr
    return entry.opcode == IORING_OP_SENDMSG || entry.opcode == IORING_OP_RECVMSG ||
           entry.opcode == uring::kOperationSendMessageZeroCopy;
  }
  // It could be cancelled.
  bool is_running() const { return stage == Stage::kRunning; }

  Uring& ring;
  // As it was submitted: the caller may reuse its own. Apart, since its type ends in an array of no
  // size, which C++ does not let a member have.
  const std::unique_ptr<io_uring_sqe> own_entry = std::make_unique<io_uring_sqe>();
  io_uring_sqe& entry = *own_entry;
  FileRef target;
  Stage stage = Stage::kRunning;
  Place place = Place::kNowhere;
  bool multishot = false;
  bool fails_when_blocked = false;  // MSG_DONTWAIT
  bool woken = false;               // task work because of the file: it looks whether that is ready
  bool tells_more = false;          // its socket knows how much is there (SO_INQ): a stream
  bool connecting = false;          // connect(2) has said -EINPROGRESS
  bool has_received = false;        // a multishot one, something
  bool got_nothing = false;         // RECVMSG: no bytes, which ends a multishot one
  bool was_copied = false;          // what its notification tells
  uint32_t interest = 0;            // poll bits that it waits for
  uint32_t attempts = 0;            // since it was last woken
  uint32_t serial = 0;              // counts the operations that had this object
  size_t done = 0;                  // bytes of a MSG_WAITALL transfer
  size_t allowance = 0;             // bytes that a limited multishot receive may take still
  int64_t due_ns = 0;               // kLate: until then
  uint64_t checksum = 0;            // of a zero-copy send's bytes
  msghdr header = {};               // SENDMSG and RECVMSG: the caller's
  std::vector<iovec> pieces;        // what is sent, or filled
  sockaddr_storage name = {};       // CONNECT and sends: the address
  ListHook<UringRequest> live_hook;
  ListHook<UringRequest> task_hook;
};

}  // namespace eddy::sim
