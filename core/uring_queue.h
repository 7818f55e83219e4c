// An io_uring instance: its rings in memory, entered through the kernel seam.
//
// Submission entries are written in memory and handed over, all of them, by the one `enter` of a
// turn, which waits as well. The ring is created disabled, and enabled by the first `enter`, whose
// thread is from then on the only one that may use it (IORING_SETUP_SINGLE_ISSUER). Source:
// io_uring_setup(2), io_uring_enter(2), io_uring(7).
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/kernel.h>
#include <eddy/core/uring_abi.h>
#include <stdint.h>

#include <memory>

namespace eddy {

// An Error of what makes a ring or its memory. ENOMEM brings what to do.
std::unexpected<Error> uring_failure(int negative_errno, const char* call);

class UringQueue {
 public:
  struct Options {
    unsigned entries = 1024;
    unsigned completion_entries = 8192;
    uint32_t min_wait_us =
        0;  // batching, where the kernel offers it: wait so long for `min_wait_count`
    unsigned min_wait_count = 64;
  };

  static Result<std::unique_ptr<UringQueue>> open(Kernel& kernel, const Options& options);
  ~UringQueue();
  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  // A zeroed entry; what it points to must stay until the next `enter`. When all are taken, enters
  // the kernel to hand them over first. Never null: a kernel that takes no more is waited for.
  io_uring_sqe& next_entry() {
    if (tail_ - submitted_ == entries_) make_room();
    io_uring_sqe& entry = sqes_[tail_++ & sq_mask_];
    entry = {};
    return entry;
  }
  unsigned unsubmitted() const { return tail_ - submitted_; }

  // Hands the entries over and waits for one completion: timeout_ns < 0 without an end, 0 not at
  // all. 0, or a negative errno that is no passing state.
  int enter(int64_t timeout_ns);

  struct Completion {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
  };
  // Takes the oldest completion; false when there is none.
  bool take(Completion& completion) {
    const unsigned head = *cq_head_;
    if (head == __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE)) return false;
    const io_uring_cqe& entry = cqes_[head & cq_mask_];
    completion = {entry.user_data, entry.res, entry.flags};
    __atomic_store_n(cq_head_, head + 1, __ATOMIC_RELEASE);
    return true;
  }
  unsigned ready() const { return __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE) - *cq_head_; }
  // The kernel holds completions back, since the queue was full: the next `enter` brings them.
  bool overflowed() const {
    return (__atomic_load_n(sq_flags_, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW) != 0;
  }
  // The result of the n-th completion, from 0 to ready() - 1, which stays where it is.
  const io_uring_cqe& peek(unsigned n) const { return cqes_[(*cq_head_ + n) & cq_mask_]; }

  int register_with(unsigned opcode, void* argument, unsigned count) {
    return kernel_.uring_register(fd_, opcode, argument, count);
  }
  int descriptor() const { return fd_; }
  bool has_min_wait() const { return min_wait_us_ != 0; }

  uint64_t enters = 0;

 private:
  UringQueue(Kernel& kernel, const Options& options, int fd, const io_uring_params& parameters);
  bool map(const io_uring_params& parameters);
  int enable();
  void make_room();
  int enter_once(unsigned min_complete, int64_t timeout_ns);

  Kernel& kernel_;
  const int fd_;
  int entered_as_ =
      -1;  // fd_, or its index among this thread's registered rings; -1: not enabled yet
  unsigned enter_flags_ = IORING_ENTER_GETEVENTS;
  uint32_t min_wait_us_;
  const unsigned min_wait_count_;

  io_uring_sqe* sqes_ = nullptr;
  io_uring_cqe* cqes_ = nullptr;
  unsigned entries_ = 0, sq_mask_ = 0, cq_mask_ = 0;
  unsigned tail_ = 0;       // entries written
  unsigned submitted_ = 0;  // entries that the kernel has taken
  unsigned* sq_tail_ = nullptr;
  unsigned* sq_flags_ = nullptr;
  unsigned* cq_head_ = nullptr;
  unsigned* cq_tail_ = nullptr;
  void* rings_ = nullptr;
  size_t rings_size_ = 0;
  size_t sqes_size_ = 0;
};

}  // namespace eddy
