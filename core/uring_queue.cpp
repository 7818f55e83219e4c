#include <eddy/core/check.h>
#include <eddy/core/uring_queue.h>
#include <errno.h>
#include <linux/time_types.h>

#include <algorithm>

namespace eddy {
namespace {

// Not IORING_SETUP_TASKRUN_FLAG: an enter runs what task work there is before it sleeps, so nobody
// needs the flag, and on Linux 6.18 it was seen to stay set with nothing to run, which made a loop
// that trusts it spin.
constexpr uint32_t kSetupFlags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
                                 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                                 IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
constexpr uint32_t kNeededFeatures =
    IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG;

template <typename T>
T* at(void* base, uint32_t offset) {
  return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

}  // namespace

// The kernel counts a ring's memory among what the user has locked (RLIMIT_MEMLOCK, getrlimit(2)).
std::unexpected<Error> uring_failure(int negative_errno, const char* call) {
  return failure(negative_errno, call, {},
                 negative_errno == -ENOMEM
                     ? "raise the limit on locked memory, ulimit -l or RLIMIT_MEMLOCK, or use epoll"
                     : "");
}

Result<std::unique_ptr<UringQueue>> UringQueue::open(Kernel& kernel, const Options& options) {
  io_uring_params parameters = {};
  parameters.flags = kSetupFlags | uring::kSetupNoSqArray;
  parameters.cq_entries = options.completion_entries;
  int fd = kernel.uring_setup(options.entries, &parameters);
  if (fd == -EINVAL) {
    parameters = {};
    parameters.flags = kSetupFlags;
    parameters.cq_entries = options.completion_entries;
    fd = kernel.uring_setup(options.entries, &parameters);
  }
  if (fd < 0) return uring_failure(fd, "io_uring_setup");
  std::unique_ptr<UringQueue> queue(new (std::nothrow) UringQueue(kernel, options, fd, parameters));
  if (queue == nullptr) {
    kernel.close(fd);
    return failure(-ENOMEM, "io_uring_setup");
  }
  if ((parameters.features & kNeededFeatures) != kNeededFeatures) {
    return failure(-EOPNOTSUPP, "io_uring_setup");
  }
  if (!queue->map(parameters)) return uring_failure(-ENOMEM, "mmap of the io_uring");
  return queue;
}

UringQueue::UringQueue(Kernel& kernel, const Options& options, int fd,
                       const io_uring_params& parameters)
    : kernel_(kernel),
      fd_(fd),
      min_wait_us_((parameters.features & uring::kFeatureMinTimeout) != 0 ? options.min_wait_us
                                                                          : 0),
      min_wait_count_(options.min_wait_count) {}

UringQueue::~UringQueue() {
  if ((enter_flags_ & IORING_ENTER_REGISTERED_RING) != 0) {
    io_uring_rsrc_update place = {};
    place.offset = static_cast<uint32_t>(entered_as_);
    register_with(IORING_UNREGISTER_RING_FDS, &place, 1);
  }
  if (sqes_ != nullptr) kernel_.uring_unmap(sqes_, sqes_size_);
  if (rings_ != nullptr) kernel_.uring_unmap(rings_, rings_size_);
  kernel_.close(fd_);
}

bool UringQueue::map(const io_uring_params& parameters) {
  const auto& sq = parameters.sq_off;
  const auto& cq = parameters.cq_off;
  const bool has_array = (parameters.flags & uring::kSetupNoSqArray) == 0;
  const size_t sq_size = has_array ? sq.array + parameters.sq_entries * sizeof(unsigned) : 0;
  rings_size_ = std::max(sq_size, cq.cqes + parameters.cq_entries * sizeof(io_uring_cqe));
  rings_ = kernel_.uring_map(fd_, IORING_OFF_SQ_RING, rings_size_);
  if (rings_ == nullptr) return false;
  sqes_size_ = parameters.sq_entries * sizeof(io_uring_sqe);
  sqes_ = static_cast<io_uring_sqe*>(kernel_.uring_map(fd_, IORING_OFF_SQES, sqes_size_));
  if (sqes_ == nullptr) return false;
  entries_ = parameters.sq_entries;
  sq_mask_ = *at<unsigned>(rings_, sq.ring_mask);
  sq_tail_ = at<unsigned>(rings_, sq.tail);
  sq_flags_ = at<unsigned>(rings_, sq.flags);
  cq_mask_ = *at<unsigned>(rings_, cq.ring_mask);
  cq_head_ = at<unsigned>(rings_, cq.head);
  cq_tail_ = at<unsigned>(rings_, cq.tail);
  cqes_ = at<io_uring_cqe>(rings_, cq.cqes);
  if (has_array) {
    for (unsigned i = 0; i < entries_; ++i) at<unsigned>(rings_, sq.array)[i] = i;
  }
  return true;
}

int UringQueue::enter(int64_t timeout_ns) {
  const bool sleep = timeout_ns != 0 && ready() == 0 && !overflowed();
  const int result = enter_once(sleep ? 1 : 0, timeout_ns);
  // Passing states: the time-out, a signal, and a completion queue or memory that wants us to take
  // completions first.
  const bool passing =
      result == -ETIME || result == -EINTR || result == -EBUSY || result == -EAGAIN;
  return passing ? 0 : result;
}

// Entries are handed over in order; how many were, the return value tells, also when the wait
// itself then failed.
int UringQueue::enter_once(unsigned min_complete, int64_t timeout_ns) {
  if (entered_as_ < 0) {
    if (const int failed = enable(); failed < 0) return failed;
  }
  __atomic_store_n(sq_tail_, tail_, __ATOMIC_RELEASE);
  ++enters;
  const bool batches = min_complete != 0 && min_wait_us_ != 0;
  int result = 0;
  if (min_complete == 0 || (timeout_ns < 0 && !batches)) {
    result = kernel_.uring_enter(entered_as_, unsubmitted(), min_complete, enter_flags_, nullptr,
                                 uring::kSignalSetBytes);
  } else {
    const __kernel_timespec timeout = {timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
    const uring::GetEventsArgument argument = {
        0, uring::kSignalSetBytes, min_wait_us_,
        timeout_ns < 0 ? 0 : static_cast<uint64_t>(reinterpret_cast<uintptr_t>(&timeout))};
    result =
        kernel_.uring_enter(entered_as_, unsubmitted(), batches ? min_wait_count_ : min_complete,
                            enter_flags_ | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
  }
  if (result > 0) submitted_ += static_cast<unsigned>(result);
  return result;
}

// On the loop's thread: the ring takes no other's from now on. Registered with the thread as well,
// the ring is found without a look-up of its descriptor; a thread has few places for that, so it
// may fail.
int UringQueue::enable() {
  const int failed = register_with(IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  if (failed < 0) return failed;
  io_uring_rsrc_update place = {};
  place.offset = UINT32_MAX;  // any
  place.data = static_cast<uint64_t>(fd_);
  if (register_with(IORING_REGISTER_RING_FDS, &place, 1) == 1) {
    entered_as_ = static_cast<int>(place.offset);
    enter_flags_ |= IORING_ENTER_REGISTERED_RING;
  } else {
    entered_as_ = fd_;
  }
  return 0;
}

void UringQueue::make_room() {
  // The kernel takes nothing only while it is out of memory or completions overflow; completions
  // that it posts meanwhile are kept by it (IORING_FEAT_NODROP).
  constexpr int kAttempts = 100'000;
  for (int i = 0; i < kAttempts && tail_ - submitted_ == entries_; ++i) enter_once(0, 0);
  EDDY_INVARIANT(tail_ - submitted_ < entries_, "the kernel takes no submissions");
}

}  // namespace eddy
