#include <eddy/core/uring_buffers.h>
#include <eddy/core/uring_probe.h>
#include <errno.h>

#include <iterator>
#include <optional>

namespace eddy {
namespace {

constexpr char kSample[] = "eddy";
constexpr size_t kSampleBytes = 4;
constexpr int64_t kPatienceNs = 1'000'000'000;

// What the backend starts, besides receiving.
struct Operation {
  uint8_t opcode;
  const char* name;
};
constexpr Operation kOperations[] = {
    {IORING_OP_ACCEPT, "io_uring accept"},      {IORING_OP_CONNECT, "io_uring connect"},
    {IORING_OP_SEND, "io_uring send"},          {IORING_OP_SENDMSG, "io_uring sendmsg"},
    {IORING_OP_POLL_ADD, "io_uring poll"},      {IORING_OP_ASYNC_CANCEL, "io_uring cancel"},
    {IORING_OP_FILES_UPDATE, "io_uring files"}, {IORING_OP_CLOSE, "io_uring close"},
    {IORING_OP_RECVMSG, "io_uring recvmsg"},
};

// One connected pair and one small ring.
class Trial {
 public:
  explicit Trial(Kernel& kernel) : kernel_(kernel) {}
  ~Trial() {
    queue_.reset();  // before the buffers that it may still fill
    for (const int fd : pair_) {
      if (fd >= 0) kernel_.close(fd);
    }
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  Result<void> open(bool incremental) {
    auto queue = UringQueue::open(kernel_, {.entries = 8, .completion_entries = 16});
    if (!queue) return std::unexpected(queue.error());
    queue_ = std::move(*queue);
    ring_ = BufferRing::make(kernel_,
                             {.segment_bytes = 4096, .initial_segments = 2, .max_segments = 2});
    if (ring_ == nullptr) return failure(-ENOMEM, "mmap");
    buffers_.emplace(*ring_);
    if (const int failed = buffers_->open(kernel_, *queue_, incremental); failed < 0) {
      return uring_failure(failed, "io_uring_register of a buffer ring");
    }
    const int failed =
        kernel_.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair_);
    if (failed < 0) return failure(failed, "socketpair");
    buffers_->replenish(false);
    return {};
  }

  void start_receive(uint32_t limit) {
    io_uring_sqe& entry = queue_->next_entry();
    io_uring_prep_recv_multishot(&entry, pair_[0], nullptr, 0, 0);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = UringBuffers::kGroup;
    uring::set_receive_limit(entry, limit);
  }

  // Sends the sample and returns its completion; a result of -ETIME when none comes.
  UringQueue::Completion exchange() {
    const ssize_t sent = kernel_.send(pair_[1], kSample, kSampleBytes, MSG_NOSIGNAL);
    UringQueue::Completion completion = {0, sent < 0 ? static_cast<int>(sent) : -ETIME, 0};
    if (sent < 0) return completion;
    const int64_t give_up = kernel_.monotonic_ns() + kPatienceNs;
    while (!queue_->take(completion)) {
      if (const int failed = queue_->enter(kPatienceNs); failed < 0) return {0, failed, 0};
      if (kernel_.monotonic_ns() > give_up) break;
    }
    return completion;
  }

  // Each operation, on nothing: what matters is whether it is forbidden, as a ring's restrictions
  // do one by one.
  Result<void> try_operations() {
    static constexpr msghdr kNothing = {};
    for (const Operation& operation : kOperations) {
      io_uring_sqe& entry = queue_->next_entry();
      io_uring_prep_rw(operation.opcode, &entry, -1, &kNothing, 0, 0);
      entry.user_data = 1 + static_cast<uint64_t>(&operation - kOperations);
    }
    const int64_t give_up = kernel_.monotonic_ns() + kPatienceNs;
    for (size_t answers = 0; answers < std::size(kOperations);) {
      UringQueue::Completion completion;
      while (queue_->take(completion)) {
        if (completion.user_data == 0) continue;  // the receive that goes on
        ++answers;
        if (completion.result != -EACCES && completion.result != -EPERM) continue;
        return failure(completion.result, kOperations[completion.user_data - 1].name);
      }
      if (answers == std::size(kOperations)) break;
      if (const int failed = queue_->enter(kPatienceNs); failed < 0) {
        return failure(failed, "io_uring_enter");
      }
      if (kernel_.monotonic_ns() > give_up) return failure(-ETIME, "io_uring_enter");
    }
    return {};
  }

  bool has_min_wait() {
    auto queue = UringQueue::open(
        kernel_, {.entries = 1, .completion_entries = 2, .min_wait_us = 1, .min_wait_count = 1});
    return queue && (*queue)->has_min_wait();
  }

 private:
  Kernel& kernel_;
  BufferRing::Owner ring_;
  std::optional<UringBuffers> buffers_;
  std::unique_ptr<UringQueue> queue_;
  int pair_[2] = {-1, -1};
};

bool received_sample(const UringQueue::Completion& completion) {
  return completion.result == static_cast<int>(kSampleBytes) &&
         (completion.flags & IORING_CQE_F_BUFFER) != 0;
}

bool has_incremental_buffers(Kernel& kernel) {
  Trial trial(kernel);
  if (!trial.open(true)) return false;
  trial.start_receive(0);
  const auto completion = trial.exchange();
  return received_sample(completion) && (completion.flags & uring::kCompletionBufferMore) != 0;
}

bool has_receive_limit(Kernel& kernel) {
  Trial trial(kernel);
  if (!trial.open(false)) return false;
  trial.start_receive(kSampleBytes);
  const auto completion = trial.exchange();
  return received_sample(completion) && (completion.flags & IORING_CQE_F_MORE) == 0;
}

}  // namespace

Result<UringFeatures> probe_uring(Kernel& kernel) {
  Trial trial(kernel);
  if (auto opened = trial.open(false); !opened) return std::unexpected(opened.error());
  trial.start_receive(0);
  const auto completion = trial.exchange();
  if (completion.result < 0) return failure(completion.result, "io_uring multishot receive");
  if (!received_sample(completion) || (completion.flags & IORING_CQE_F_MORE) == 0) {
    return failure(-EOPNOTSUPP, "io_uring multishot receive");
  }
  if (auto allowed = trial.try_operations(); !allowed) return std::unexpected(allowed.error());
  UringFeatures features;
  features.incremental_buffers = has_incremental_buffers(kernel);
  features.receive_limit = has_receive_limit(kernel);
  features.min_wait = trial.has_min_wait();
  return features;
}

}  // namespace eddy
