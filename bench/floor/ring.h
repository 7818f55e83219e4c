// An io_uring instance set up by hand, for one thread: the two rings, direct descriptors, and a
// provided buffer ring. liburing's headers give the structures; its library is not used, since that
// of Debian 12 knows no ring without a submission array.
#pragma once

#include <liburing.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "floor.h"

namespace floor_loop {

// Newer than Debian 12's headers, which are those of Linux 6.1.
inline constexpr unsigned kSetupNoSqArray = 1u << 16;  // Linux 6.6
inline constexpr uint16_t kBufferRingIncremental = 2;  // Linux 6.12
inline constexpr uint32_t kCompletionBufferMore = 1u << 4;

class Ring {
 public:
  explicit Ring(unsigned entries);

  void register_files(unsigned count);
  // False where the kernel knows no such ring; `entries` is a power of two.
  bool register_buffers(unsigned entries, bool incremental);

  // The caller sees to it that no more than `entries` are prepared between two calls of enter().
  io_uring_sqe* prepare(uint8_t opcode, unsigned file, uint64_t user_data) {
    io_uring_sqe* entry = &entries_[tail_++ & sq_mask_];
    *entry = {};
    entry->opcode = opcode;
    entry->flags = IOSQE_FIXED_FILE;
    entry->fd = static_cast<int>(file);
    entry->user_data = user_data;
    return entry;
  }

  void enter(unsigned wait) {
    __atomic_store_n(sq_tail_, tail_, __ATOMIC_RELEASE);
    const long taken = syscall(__NR_io_uring_enter, registered_, tail_ - submitted_, wait,
                               IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, nullptr, 0);
    if (taken > 0) submitted_ += static_cast<unsigned>(taken);
    if (taken < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) die("io_uring_enter");
  }

  unsigned head() const { return *cq_head_; }
  unsigned tail() const { return __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE); }
  io_uring_cqe& completion(unsigned at) { return completions_[at & cq_mask_]; }
  void consume(unsigned head) { __atomic_store_n(cq_head_, head, __ATOMIC_RELEASE); }

  void give_buffer(char* memory, unsigned size, unsigned id) {
    io_uring_buf& buffer = buffers_->bufs[buffers_tail_ & buffers_mask_];
    buffer.addr = reinterpret_cast<uint64_t>(memory);
    buffer.len = size;
    buffer.bid = static_cast<uint16_t>(id);
    __atomic_store_n(&buffers_->tail, ++buffers_tail_, __ATOMIC_RELEASE);
  }

 private:
  int fd_;                   // for register
  unsigned registered_ = 0;  // its index, for enter
  unsigned *sq_tail_, *cq_head_, *cq_tail_;
  unsigned sq_mask_, cq_mask_, tail_ = 0, submitted_ = 0;
  io_uring_sqe* entries_;
  io_uring_cqe* completions_;
  io_uring_buf_ring* buffers_ = nullptr;
  unsigned buffers_mask_ = 0;
  uint16_t buffers_tail_ = 0;
};

inline char* map_memory(size_t size, int fd = -1, uint64_t offset = 0) {
  const int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, kind | MAP_POPULATE, fd,
                  static_cast<off_t>(offset));
  if (at == MAP_FAILED) die("mmap");
  return static_cast<char*>(at);
}

inline Ring::Ring(unsigned entries) {
  io_uring_params p{};
  p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
            IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | kSetupNoSqArray;
  p.cq_entries = 4 * entries;
  fd_ = static_cast<int>(syscall(__NR_io_uring_setup, entries, &p));
  if (fd_ < 0 && errno == EINVAL) {
    p.flags &= ~kSetupNoSqArray;
    fd_ = static_cast<int>(syscall(__NR_io_uring_setup, entries, &p));
  }
  if (fd_ < 0) die("io_uring_setup");
  const size_t size = std::max(p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe),
                               p.sq_off.array + p.sq_entries * sizeof(unsigned));
  char* ring = map_memory(size, fd_, IORING_OFF_SQ_RING);
  const auto field = [ring](unsigned at) { return reinterpret_cast<unsigned*>(ring + at); };
  sq_tail_ = field(p.sq_off.tail), sq_mask_ = *field(p.sq_off.ring_mask);
  cq_head_ = field(p.cq_off.head), cq_tail_ = field(p.cq_off.tail);
  cq_mask_ = *field(p.cq_off.ring_mask);
  completions_ = reinterpret_cast<io_uring_cqe*>(ring + p.cq_off.cqes);
  char* submissions = map_memory(p.sq_entries * sizeof(io_uring_sqe), fd_, IORING_OFF_SQES);
  entries_ = reinterpret_cast<io_uring_sqe*>(submissions);
  if ((p.flags & kSetupNoSqArray) == 0) {
    for (unsigned i = 0; i < p.sq_entries; ++i) field(p.sq_off.array)[i] = i;
  }
  io_uring_rsrc_update self{};
  self.offset = ~0u;
  self.data = static_cast<uint64_t>(fd_);
  if (syscall(__NR_io_uring_register, fd_, IORING_REGISTER_RING_FDS, &self, 1) != 1) {
    die("registering the ring's descriptor");
  }
  registered_ = self.offset;
}

inline void Ring::register_files(unsigned count) {
  io_uring_rsrc_register files{};
  files.nr = count;
  files.flags = IORING_RSRC_REGISTER_SPARSE;
  if (syscall(__NR_io_uring_register, fd_, IORING_REGISTER_FILES2, &files, sizeof files) != 0) {
    die("registering direct descriptors");
  }
}

inline bool Ring::register_buffers(unsigned entries, bool incremental) {
  struct {  // io_uring_buf_reg: its `flags` are called `pad` in older headers
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t group, flags;
    uint64_t reserved[3];
  } ring{};
  static_assert(sizeof ring == sizeof(io_uring_buf_reg));
  buffers_ = reinterpret_cast<io_uring_buf_ring*>(map_memory(entries * sizeof(io_uring_buf)));
  buffers_mask_ = entries - 1;
  ring.ring_addr = reinterpret_cast<uint64_t>(buffers_);
  ring.ring_entries = entries;
  ring.flags = incremental ? kBufferRingIncremental : 0;
  return syscall(__NR_io_uring_register, fd_, IORING_REGISTER_PBUF_RING, &ring, 1) == 0;
}

}  // namespace floor_loop
