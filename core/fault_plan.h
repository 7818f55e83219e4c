// Which faults a FaultyKernel makes, and when.
//
// What it is: a list of rules, each for one kind of system call or io_uring operation, and a
// pseudo-random mode over all of them. It decides and counts; core/faulty_kernel.h carries out.
//
//   FaultyKernel kernel(linux_kernel());
//   Reactor reactor(kernel);
//   kernel.plan().fail(SystemCall::kAccept4, EMFILE, {.times = 3});
//   kernel.plan().delay(UringOperation::kSend, 2, {.every = 10, .times = kAlways});
//
// Rules are asked in the order in which they were added, and the first that is due acts; each
// counts for itself what it was asked about.
//
// Threads: rules and hooks are for one thread at a time, and set while no call is under way on
// another. Calls may then come from several: a hook is called by whoever makes the call.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace eddy {

// The functions of a Kernel that can fail.
enum class SystemCall : uint8_t {
  kAny,
  kSocket,
  kSocketpair,
  kBind,
  kListen,
  kAccept4,
  kConnect,
  kShutdown,
  kGetsockname,
  kGetpeername,
  kGetsockopt,
  kSetsockopt,
  kRecv,
  kSend,
  kRecvmsg,
  kSendmsg,
  kRecvmmsg,
  kSendmmsg,
  kRead,
  kWritev,
  kClose,
  kGetStatusFlags,
  kSetStatusFlags,
  kDescriptorKind,
  kOpen,
  kPread,
  kPwrite,
  kFsync,
  kFileSize,
  kPipe,
  kSetPipeSize,
  kSendfile,
  kSpliceToPipe,
  kSpliceFromPipe,
  kLstat,
  kUnlink,
  kChmod,
  kEpollCreate,
  kEpollCtl,
  kEpollWait,
  kUringSetup,
  kUringEnter,
  kUringRegister,
  kUringMap,
  kEventfd,
  kReadEventfd,
  kOpenSignal,
  kCloseSignal,
  kMapMemory,
  kSetTimerSlack,
  kDuplicate,
  kSetCloseOnExec,
  kCreateThread,
  kGetAffinity,
  kSetAffinity,
  kRunElsewhere,
  kGetaddrinfo,
  kGetnameinfo,
  kSpawn,
  kWaitForChild,
  kSendSignalToChild,
  kCount,
};

// Operations of io_uring, as eddy tells them apart: kSend is every form of sending, kFilesUpdate is
// a socket's becoming a direct descriptor.
enum class UringOperation : uint8_t {
  kAny,
  kAccept,
  kReceive,
  kSend,
  kConnect,
  kPoll,
  kCancel,
  kClose,
  kFilesUpdate,
  kOther,
  kCount,
};

inline constexpr uint64_t kAlways = UINT64_MAX;

// Of what a rule is asked about: passes over the first `after`, then takes every `every`-th,
// `times` in all.
struct FaultTimes {
  uint64_t after = 0;
  uint64_t every = 1;
  uint64_t times = 1;
};

// Probabilities, from 0 to 1, of the pseudo-random mode. None of these faults loses or reorders a
// byte by itself, and none makes a connection fail, so what a program does in the end must be the
// same with them as without.
struct FaultRates {
  double interrupt = 0;    // -EINTR, from what a signal may interrupt
  double would_block = 0;  // -EAGAIN though ready; the readiness is told afterwards
  double shorten = 0;      // reads, receives and sends of 1 … n bytes
  double spurious_readiness =
      0;  // epoll tells of a descriptor that is not ready; a poll operation likewise
  double lost_connection =
      0;  // accepting fails with ECONNABORTED and its like, the connection stays in the backlog
  double no_resources = 0;  // accepting fails with EMFILE and its like
  double fail_operation =
      0;  // a receive ends with ENOBUFS, EINTR, …, a send with EINTR, EAGAIN: nothing was done
  double end_multishot = 0;  // F_MORE is missing
  double delay = 0;          // a completion comes 1 … `longest_delay` enters late
  unsigned longest_delay = 4;
  double reorder = 0;      // a completion comes after later ones
  double lose_cancel = 0;  // a cancellation says that it came too late
};

// What has been done so far.
struct FaultCounts {
  uint64_t failed_calls = 0;
  uint64_t shortened_calls = 0;
  uint64_t spurious_events = 0;
  uint64_t failed_operations = 0;
  uint64_t shortened_operations = 0;
  uint64_t ended_multishots = 0;
  uint64_t delayed_completions = 0;
  uint64_t reordered_completions = 0;
  uint64_t lost_cancels = 0;
  uint64_t held_by_overflow = 0;  // completions that found the completion queue full
};

class FaultPlan {
 public:
  struct Seen {
    SystemCall call;
    int fd;             // -1 for what has none
    uint64_t argument;  // bytes; submissions; uring_register's opcode; uring_setup's flags; else 0
  };
  // The result to give in the place of the call, or nothing: the call is made.
  using Hook = std::function<std::optional<int64_t>(const Seen&)>;

  // --- System calls
  // A call fails without being made. Two are made all the same, as in Linux: close(2), and an
  // interrupted connect(2), which goes on by itself. Of epoll_ctl only EPOLL_CTL_ADD is meant, as
  // the others need no memory. -EAGAIN from accepting, reading or writing is followed by readiness,
  // as an edge-triggered epoll would tell it. kGetaddrinfo and kGetnameinfo fail with an EAI_
  // value; EAI_SYSTEM then brings EMFILE.
  void fail(SystemCall call, int errno_value, FaultTimes times = {});
  // kRecv, kRead, kSend, kSendmsg, kWritev, kPread, kPwrite, kSendfile, kSpliceToPipe and
  // kSpliceFromPipe: at most so many bytes. kRecvmmsg, kSendmmsg: at most so many messages.
  // kUringEnter: takes at most so many submissions.
  void shorten(SystemCall call, size_t most, FaultTimes times = {});
  // epoll tells of every descriptor that it is ready for what was asked. Whether a socket can be
  // written is told only where it was true once: a connect under way must not be taken for
  // finished.
  void spurious_readiness(FaultTimes times = {});
  // Asked at every call of that kind, after the rules.
  void decide(SystemCall call, Hook hook);

  // --- io_uring
  // Submissions complete with -errno, or with `result`, without reaching the kernel (closing does,
  // all the same).
  void fail(UringOperation operation, int errno_value, FaultTimes times = {});
  void complete(UringOperation operation, int result, FaultTimes times = {});
  // Asked at every submission of that kind, after the rules: the result to complete it with, or
  // nothing.
  using OperationHook = std::function<std::optional<int>(UringOperation)>;
  void decide(UringOperation operation, OperationHook hook);
  // kSend, kReceive: at most so many bytes.
  void shorten(UringOperation operation, size_t most, FaultTimes times = {});
  // A completion is the last of its multishot operation.
  void end_multishot(UringOperation operation, FaultTimes times = {});
  // A completion comes only at the `enters`-th uring_enter after the one that brought it.
  // Completions that carry buffers keep their order among each other, as do those of one operation;
  // a reactor's sleep does not outlast a delay.
  void delay(UringOperation operation, unsigned enters, FaultTimes times = {});
  // A cancellation cancels, but says that its target was finished (-ENOENT) or too far on
  // (-EALREADY).
  void lose_cancel(FaultTimes times = {});
  // Rings set up from now on have at most so many entries; 0 leaves them.
  void clamp_rings(unsigned entries, unsigned completion_entries);

  // --- All of them
  // Faults at these rates from now on, the same for the same seed as long as the same is asked in
  // the same order.
  void chaos(uint64_t seed, const FaultRates& rates);
  // No rule, no hook and no chaos from now on; what is delayed still comes.
  void clear();
  // Calls seen so far, of one kind or of any.
  uint64_t calls(SystemCall call) const { return calls_[static_cast<size_t>(call)]; }
  const FaultCounts& fired() const { return counts_; }

  // --- Asked by who carries out.
  std::optional<int64_t> verdict(const Seen& seen);
  size_t limit(SystemCall call, size_t size);
  bool all_spuriously_ready();
  bool is_spuriously_ready();
  std::optional<int> verdict(UringOperation operation);
  uint32_t limit(UringOperation operation, uint32_t size);
  bool ends_multishot(UringOperation operation);
  unsigned delay_of(UringOperation operation);
  bool is_late();
  bool loses_cancel();
  unsigned most_entries() const { return most_entries_; }
  unsigned most_completion_entries() const { return most_completion_entries_; }
  FaultCounts& counts() { return counts_; }

 private:
  enum class Kind : uint8_t {
    kFail,
    kShorten,
    kSpuriousReadiness,
    kComplete,
    kShortenOperation,
    kEndMultishot,
    kDelay,
    kLoseCancel,
  };
  struct Rule {
    Kind kind;
    uint8_t target;  // a SystemCall or a UringOperation; 0 is any
    int64_t value;
    FaultTimes times;
    uint64_t asked = 0;
  };

  void add(Kind kind, uint8_t target, int64_t value, FaultTimes times);
  std::optional<int64_t> due(Kind kind, uint8_t target);
  std::optional<int64_t> chance_of_failure(SystemCall call);
  std::optional<int> chance_of_failure(UringOperation operation);
  void count(uint64_t& counter);
  uint64_t draw();
  size_t draw_part(size_t size);
  template <size_t N>
  int any_of(const int (&errors)[N]) {
    return errors[draw() % N];
  }
  bool chance(double probability);

  std::mutex mutex_;  // of what calls change: counts, and the chance
  std::vector<Rule> rules_;
  std::vector<std::pair<SystemCall, Hook>> hooks_;
  std::vector<std::pair<UringOperation, OperationHook>> operation_hooks_;
  std::optional<FaultRates> rates_;
  uint64_t random_ = 0;
  unsigned most_entries_ = 0;
  unsigned most_completion_entries_ = 0;
  std::array<uint64_t, static_cast<size_t>(SystemCall::kCount)> calls_ = {};
  FaultCounts counts_;
};

}  // namespace eddy
