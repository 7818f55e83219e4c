// The completion queue of a simulated io_uring: its memory, and what overflows it.
//
// Source: io_uring(7), io_uring_setup(2) (IORING_FEAT_NODROP), io_cqring_add_overflow in Linux's
// io_uring.c.
#pragma once

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>

#include <deque>

namespace eddy::sim {

// The words at the beginning of a ring's memory; the completions follow them.
struct alignas(64) UringWords {
  unsigned sq_head, sq_tail, sq_mask, sq_entries, sq_flags, sq_dropped;
  unsigned cq_head, cq_tail, cq_mask, cq_entries, cq_overflow, cq_flags;
};

class UringCompletions {
 public:
  struct Completion {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
  };

  void open(UringWords& words, io_uring_cqe* entries) {
    words_ = &words;
    entries_ = entries;
  }

  // Completions that the program has not taken.
  unsigned ready() const {
    return words_->cq_tail - __atomic_load_n(&words_->cq_head, __ATOMIC_ACQUIRE);
  }
  bool overflows() const { return !held_.empty(); }
  bool has_room() const { return !overflows() && ready() < words_->cq_entries; }
  // The program moved its head beyond the tail.
  bool is_corrupt() const { return ready() > words_->cq_entries; }

  // Where there is no room it is held, and IORING_SQ_CQ_OVERFLOW tells.
  void post(const Completion& completion) {
    if (has_room()) return write(completion);
    held_.push_back(completion);
    __atomic_fetch_or(&words_->sq_flags, uint32_t{IORING_SQ_CQ_OVERFLOW}, __ATOMIC_RELAXED);
  }
  // Moves what is held into the queue, as far as there is room. Whether any was moved.
  bool flush() {
    const bool any = overflows() && ready() < words_->cq_entries;
    while (overflows() && ready() < words_->cq_entries) {
      write(held_.front());
      held_.pop_front();
    }
    if (!overflows()) {
      __atomic_fetch_and(&words_->sq_flags, ~uint32_t{IORING_SQ_CQ_OVERFLOW}, __ATOMIC_RELAXED);
    }
    return any;
  }

 private:
  void write(const Completion& completion) {
    io_uring_cqe& entry = entries_[words_->cq_tail & words_->cq_mask];
    entry.user_data = completion.user_data;
    entry.res = completion.result;
    entry.flags = completion.flags;
    __atomic_store_n(&words_->cq_tail, words_->cq_tail + 1, __ATOMIC_RELEASE);
  }

  UringWords* words_ = nullptr;
  io_uring_cqe* entries_ = nullptr;
  std::deque<Completion> held_;
};

}  // namespace eddy::sim
