// What Linux's io_uring promises, asked of the seam: see kernel_contract.h.
//
// The suites run where io_uring offers all that eddy uses, which the model does.
#pragma once

#include <eddy/core/uring_probe.h>
#include <eddy/core/uring_queue.h>
#include <gmock/gmock.h>
#include <stdio.h>

#include <memory>
#include <ostream>
#include <string_view>
#include <vector>

#include "kernel_contract.h"

namespace eddy::test {

struct Completed {
  uint64_t user_data;
  int result;
  uint32_t flags;
  bool operator==(const Completed&) const = default;
};
inline void PrintTo(const Completed& completed, std::ostream* out) {  // NOLINT: GoogleTest's name
  *out << "{" << completed.user_data << ", " << completed.result << ", " << completed.flags << "}";
}

// A ring of the tested kernel's.
class TestedUring {
 public:
  TestedUring(Kernel& kernel, const UringQueue::Options& options) {
    auto opened = UringQueue::open(kernel, options);
    EXPECT_TRUE(opened.has_value());
    queue_ = std::move(*opened);
  }
  TestedUring(Kernel& kernel, unsigned entries, unsigned completion_entries)
      : TestedUring(kernel, {.entries = entries, .completion_entries = completion_entries}) {}

  // io_uring_prep_… clears the entry, so its name comes after.
  template <typename Prepare>
  io_uring_sqe& start(uint64_t user_data, Prepare&& prepare) {
    io_uring_sqe& entry = queue_->next_entry();
    prepare(&entry);
    entry.user_data = user_data;
    return entry;
  }
  std::vector<Completed> take() {
    std::vector<Completed> taken;
    UringQueue::Completion completion;
    while (queue_->take(completion)) {
      taken.push_back({completion.user_data, completion.result, completion.flags});
    }
    return taken;
  }
  // What comes within so long, or at once.
  std::vector<Completed> turn(int64_t timeout_ns = 0) {
    EXPECT_GE(queue_->enter(timeout_ns), 0);
    return take();
  }
  // Waits for so many, and takes what there is.
  std::vector<Completed> await(size_t count) {
    std::vector<Completed> all;
    for (int i = 0; i < 100 && all.size() < count; ++i) {
      EXPECT_GE(queue_->enter(kLongNs), 0);
      for (const Completed& completed : take()) all.push_back(completed);
    }
    return all;
  }
  UringQueue& queue() { return *queue_; }
  void close() { queue_.reset(); }

 private:
  std::unique_ptr<UringQueue> queue_;
};

// A provided buffer ring of the test's own memory.
class TestedBuffers {
 public:
  TestedBuffers(UringQueue& queue, unsigned count, unsigned bytes_each, bool incremental)
      : memory_(size_t{count} * bytes_each), mask_(count - 1), size_(bytes_each) {
    uring::BufferRingRegistration asked = {};
    asked.ring_address = reinterpret_cast<uintptr_t>(ring_);
    asked.entries = count;
    asked.flags = incremental ? uring::kBufferRingIncremental : uint16_t{0};
    error_ = queue.register_with(IORING_REGISTER_PBUF_RING, &asked, 1);
  }
  int error() const { return error_; }
  void provide(uint16_t id) {
    io_uring_buf& entry = ring_->bufs[tail_++ & mask_];
    entry.addr = reinterpret_cast<uintptr_t>(memory_.data() + size_t{id} * size_);
    entry.len = size_;
    entry.bid = id;
    __atomic_store_n(&ring_->tail, tail_, __ATOMIC_RELEASE);
  }
  char* at(size_t offset) { return &memory_[offset]; }
  std::string_view view(size_t offset, size_t count) const { return {&memory_[offset], count}; }

 private:
  alignas(4096) char page_[4096] = {};
  io_uring_buf_ring* ring_ = reinterpret_cast<io_uring_buf_ring*>(page_);
  std::vector<char> memory_;
  unsigned mask_;
  unsigned size_;
  uint16_t tail_ = 0;
  int error_ = 0;
};

// A completion's flags for buffer `id`.
constexpr uint32_t in_buffer(unsigned id) {
  return IORING_CQE_F_BUFFER | id << IORING_CQE_BUFFER_SHIFT;
}
inline constexpr uint32_t kMore = IORING_CQE_F_MORE;
inline constexpr uint32_t kPartOfBuffer = uring::kCompletionBufferMore;
inline constexpr uint32_t kNonEmpty = IORING_CQE_F_SOCK_NONEMPTY;

inline void prepare_multishot(io_uring_sqe* entry, int fd) {
  io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
}

inline std::vector<KernelChoice> kernels_with_uring() {
  std::vector<KernelChoice> found;
  for (KernelChoice& choice : kernels_under_test()) {
    const auto features = probe_uring(choice.make()->kernel());
    if (features && features->incremental_buffers && features->receive_limit) {
      found.push_back(std::move(choice));
    } else {
      fprintf(stderr, "not tested here: io_uring of %s\n", choice.name.c_str());
    }
  }
  return found;
}

}  // namespace eddy::test

#define EDDY_ON_EVERY_KERNEL_WITH_URING(suite)                                             \
  INSTANTIATE_TEST_SUITE_P(, suite, testing::ValuesIn(::eddy::test::kernels_with_uring()), \
                           [](const auto& test) { return test.param.name; })
