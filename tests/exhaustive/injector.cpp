#include "injector.h"

#include <eddy/core/linux_kernel.h>
#include <errno.h>

#include <algorithm>
#include <span>

#include "../support/allocations.h"

namespace eddy::test {
namespace {

// --- System calls and operations

// What each may fail with while nothing else is wrong, in the "Errors" of its manual page. Left
// out: what cannot fail on a descriptor that is in order (fcntl(2), F_GETFL and F_SETFL of
// O_NONBLOCK; shutdown(2) of a connected socket), and EPIPE of a send, which only a peer that is
// gone causes.
std::span<const int> errors_of(SystemCall call) {
  static constexpr int kDescriptors[] = {EMFILE, ENFILE, ENOMEM};
  static constexpr int kMemory[] = {ENOMEM};
  static constexpr int kBuffers[] = {ENOBUFS};
  static constexpr int kAddress[] = {EADDRINUSE};
  static constexpr int kAccept[] = {EAGAIN, EINTR, ECONNABORTED, EMFILE, ENOMEM};
  static constexpr int kConnect[] = {EINTR, ENETUNREACH, EADDRNOTAVAIL};
  static constexpr int kReceive[] = {EAGAIN, EINTR, ECONNRESET, ENOMEM};
  static constexpr int kSend[] = {EAGAIN, EINTR, EHOSTUNREACH, ENOBUFS};
  static constexpr int kFile[] = {EAGAIN, EINTR, EIO};
  static constexpr int kDisk[] = {EINTR, EIO, ENOSPC};
  static constexpr int kInterrupted[] = {EINTR};
  static constexpr int kEnter[] = {EINTR, EAGAIN, EBUSY};
  static constexpr int kAdd[] = {ENOSPC, ENOMEM};
  static constexpr int kAgain[] = {EAGAIN};
  switch (call) {
    case SystemCall::kSocket:
    case SystemCall::kSocketpair:
    case SystemCall::kPipe:
    case SystemCall::kOpen:
    case SystemCall::kEpollCreate:
    case SystemCall::kEventfd:
    case SystemCall::kOpenSignal:
    case SystemCall::kUringSetup: return kDescriptors;
    case SystemCall::kBind:
    case SystemCall::kListen: return kAddress;
    case SystemCall::kAccept4: return kAccept;
    case SystemCall::kConnect: return kConnect;
    case SystemCall::kGetsockname:
    case SystemCall::kGetpeername:
    case SystemCall::kGetsockopt:
    case SystemCall::kSetsockopt: return kBuffers;
    case SystemCall::kRecv:
    case SystemCall::kRecvmsg:
    case SystemCall::kRecvmmsg: return kReceive;
    case SystemCall::kSend:
    case SystemCall::kSendmsg:
    case SystemCall::kSendmmsg:
    case SystemCall::kSendfile:
    case SystemCall::kSpliceFromPipe: return kSend;
    case SystemCall::kSpliceToPipe: return kReceive;
    case SystemCall::kPread:
    case SystemCall::kPwrite:
    case SystemCall::kFsync: return kDisk;
    case SystemCall::kRead:
    case SystemCall::kWritev: return kFile;
    case SystemCall::kClose:
    case SystemCall::kEpollWait: return kInterrupted;
    case SystemCall::kEpollCtl: return kAdd;
    case SystemCall::kUringEnter: return kEnter;
    case SystemCall::kReadEventfd: return kAgain;
    case SystemCall::kUringRegister:
    case SystemCall::kUringMap:
    case SystemCall::kMapMemory:
    case SystemCall::kDescriptorKind:
    case SystemCall::kLstat:
    case SystemCall::kUnlink:
    case SystemCall::kChmod: return kMemory;
    default: return {};
  }
}

std::span<const int> errors_of(UringOperation operation) {
  static constexpr int kAccept[] = {ECONNABORTED, EMFILE, EINTR};
  static constexpr int kReceive[] = {ENOBUFS, ECONNRESET, ENOMEM, EINTR};
  static constexpr int kSend[] = {EHOSTUNREACH, ENOMEM, EINTR, EAGAIN};
  static constexpr int kConnect[] = {ENETUNREACH, EADDRNOTAVAIL, ENOMEM};
  static constexpr int kMemory[] = {ENOMEM};
  static constexpr int kClose[] = {EINTR};
  switch (operation) {
    case UringOperation::kAccept: return kAccept;
    case UringOperation::kReceive: return kReceive;
    case UringOperation::kSend: return kSend;
    case UringOperation::kConnect: return kConnect;
    case UringOperation::kPoll:
    case UringOperation::kFilesUpdate: return kMemory;
    case UringOperation::kClose: return kClose;
    default: return {};  // a cancellation does not fail: it is too late, see fault_cancel_test
  }
}

class CallInjector final : public Injector {
 public:
  void begin() override {
    fired_ = false;
    seen_ = 0;
    kernel_ = std::make_unique<FaultyKernel>(linux_kernel());
    kernel_->plan().decide(SystemCall::kAny, [this](const FaultPlan::Seen& seen) {
      return std::optional<int64_t>(decide(errors_of(seen.call), "system call", seen.call));
    });
    kernel_->plan().decide(UringOperation::kAny, [this](UringOperation operation) {
      return decide(errors_of(operation), "operation", operation);
    });
  }
  void end() override { kernel_.reset(); }
  Kernel& kernel() override { return *kernel_; }
  void arm(bool on) override { armed_ = on; }
  bool fired() const override { return fired_; }
  std::string what() const override {
    return std::string(sort_) + " " + std::to_string(kind_) + ", the " + std::to_string(place_) +
           "th in all, failed with errno " + std::to_string(error_);
  }
  // All errors of one place, then the next place.
  bool next() override {
    if (!fired_) return false;
    if (++variant_ >= variants_) {
      variant_ = variants_ = 0;
      ++place_;
    }
    return true;
  }

 private:
  template <typename Kind>
  std::optional<int> decide(std::span<const int> errors, const char* sort, Kind kind) {
    if (!armed_ || errors.empty() || seen_++ != place_) return {};
    fired_ = true;
    variants_ = std::max(variants_, errors.size());
    // Runs differ a little: another one may have had more of them here.
    error_ = errors[std::min(variant_, errors.size() - 1)];
    sort_ = sort;
    kind_ = static_cast<int>(kind);
    return -error_;
  }

  std::unique_ptr<FaultyKernel> kernel_;
  bool armed_ = false;
  bool fired_ = false;
  size_t place_ = 0;
  size_t seen_ = 0;
  size_t variant_ = 0;
  size_t variants_ = 0;
  int error_ = 0;
  const char* sort_ = nullptr;
  int kind_ = 0;
};

// --- Allocations

class AllocationInjector final : public Injector {
 public:
  void begin() override { fail_allocation(place_); }
  Kernel& kernel() override { return linux_kernel(); }
  void arm(bool on) override { arm_allocation_failure(on); }
  bool fired() const override { return allocation_has_failed(); }
  std::string what() const override { return "allocation " + std::to_string(place_) + " failed"; }
  bool next() override {
    if (!fired()) return false;
    ++place_;
    return true;
  }

 private:
  size_t place_ = 0;
};

}  // namespace

std::unique_ptr<Injector> make_call_injector() { return std::make_unique<CallInjector>(); }
std::unique_ptr<Injector> make_allocation_injector() {
  return std::make_unique<AllocationInjector>();
}

}  // namespace eddy::test
