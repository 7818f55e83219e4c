#include <eddy/core/fault_plan.h>
#include <errno.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace eddy {
namespace {

// accept(2), "Error handling".
constexpr int kLostConnection[] = {ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH};
constexpr int kNoResources[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
// What ends an operation that has done nothing, and is to be started again.
constexpr int kPassing[] = {EINTR, EAGAIN, ECANCELED};

bool can_be_interrupted(SystemCall call) {
  switch (call) {
    case SystemCall::kAccept4:
    case SystemCall::kConnect:
    case SystemCall::kRecv:
    case SystemCall::kSend:
    case SystemCall::kRecvmsg:
    case SystemCall::kSendmsg:
    case SystemCall::kRecvmmsg:
    case SystemCall::kSendmmsg:
    case SystemCall::kRead:
    case SystemCall::kWritev:
    case SystemCall::kPread:
    case SystemCall::kPwrite:
    case SystemCall::kSendfile:
    case SystemCall::kSpliceToPipe:
    case SystemCall::kSpliceFromPipe:
    case SystemCall::kEpollWait:
    case SystemCall::kUringEnter: return true;
    default: return false;
  }
}

// What waits for a disk does not say so.
bool is_of_a_file(SystemCall call) {
  return call == SystemCall::kPread || call == SystemCall::kPwrite;
}

bool can_block(SystemCall call) {
  return can_be_interrupted(call) && call != SystemCall::kConnect &&
         call != SystemCall::kEpollWait && call != SystemCall::kUringEnter && !is_of_a_file(call);
}

bool transfers_bytes(SystemCall call) {
  return is_of_a_file(call) || (can_block(call) && call != SystemCall::kAccept4);
}

}  // namespace

// --- Rules

void FaultPlan::add(Kind kind, uint8_t target, int64_t value, FaultTimes times) {
  rules_.push_back({kind, target, value, times});
}

void FaultPlan::fail(SystemCall call, int errno_value, FaultTimes times) {
  add(Kind::kFail, static_cast<uint8_t>(call), -std::abs(errno_value), times);
}

void FaultPlan::shorten(SystemCall call, size_t most, FaultTimes times) {
  add(Kind::kShorten, static_cast<uint8_t>(call), static_cast<int64_t>(most), times);
}

void FaultPlan::spurious_readiness(FaultTimes times) { add(Kind::kSpuriousReadiness, 0, 0, times); }

void FaultPlan::decide(SystemCall call, Hook hook) { hooks_.emplace_back(call, std::move(hook)); }

void FaultPlan::fail(UringOperation operation, int errno_value, FaultTimes times) {
  complete(operation, -errno_value, times);
}

void FaultPlan::decide(UringOperation operation, OperationHook hook) {
  operation_hooks_.emplace_back(operation, std::move(hook));
}

void FaultPlan::complete(UringOperation operation, int result, FaultTimes times) {
  add(Kind::kComplete, static_cast<uint8_t>(operation), result, times);
}

void FaultPlan::shorten(UringOperation operation, size_t most, FaultTimes times) {
  add(Kind::kShortenOperation, static_cast<uint8_t>(operation), static_cast<int64_t>(most), times);
}

void FaultPlan::end_multishot(UringOperation operation, FaultTimes times) {
  add(Kind::kEndMultishot, static_cast<uint8_t>(operation), 0, times);
}

void FaultPlan::delay(UringOperation operation, unsigned enters, FaultTimes times) {
  add(Kind::kDelay, static_cast<uint8_t>(operation), enters, times);
}

void FaultPlan::lose_cancel(FaultTimes times) { add(Kind::kLoseCancel, 0, 0, times); }

void FaultPlan::clamp_rings(unsigned entries, unsigned completion_entries) {
  most_entries_ = entries;
  most_completion_entries_ = completion_entries;
}

void FaultPlan::chaos(uint64_t seed, const FaultRates& rates) {
  random_ = seed;
  rates_ = rates;
}

void FaultPlan::clear() {
  rules_.clear();
  hooks_.clear();
  operation_hooks_.clear();
  rates_.reset();
}

// Every rule that matches is asked, also behind one that is due: each counts for itself.
std::optional<int64_t> FaultPlan::due(Kind kind, uint8_t target) {
  const std::lock_guard lock(mutex_);
  std::optional<int64_t> value;
  for (Rule& rule : rules_) {
    if (rule.kind != kind || (rule.target != 0 && rule.target != target)) continue;
    const uint64_t asked = rule.asked++;
    if (asked < rule.times.after) continue;
    const uint64_t since = asked - rule.times.after;
    const bool its_turn =
        since % rule.times.every == 0 && since / rule.times.every < rule.times.times;
    if (its_turn && !value) value = rule.value;
  }
  return value;
}

// --- Chance. The generator is splitmix64.

uint64_t FaultPlan::draw() {
  const std::lock_guard lock(mutex_);
  uint64_t value = random_ += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

bool FaultPlan::chance(double probability) {
  return probability > 0 && static_cast<double>(draw() >> 11) * 0x1p-53 < probability;
}

// From 1 to size - 1, the small ones as likely as the large.
size_t FaultPlan::draw_part(size_t size) {
  const size_t bound = size_t{1} << draw() % 20;
  return 1 + draw() % std::min(bound, size - 1);
}

void FaultPlan::count(uint64_t& counter) {
  const std::lock_guard lock(mutex_);
  ++counter;
}

std::optional<int64_t> FaultPlan::chance_of_failure(SystemCall call) {
  if (can_be_interrupted(call) && chance(rates_->interrupt)) return -EINTR;
  if (can_block(call) && chance(rates_->would_block)) return -EAGAIN;
  if (call != SystemCall::kAccept4) return {};
  if (chance(rates_->lost_connection)) return -any_of(kLostConnection);
  if (chance(rates_->no_resources)) return -any_of(kNoResources);
  return {};
}

std::optional<int> FaultPlan::chance_of_failure(UringOperation operation) {
  if (operation == UringOperation::kAccept) {
    if (chance(rates_->lost_connection)) return -any_of(kLostConnection);
    if (chance(rates_->no_resources)) return -any_of(kNoResources);
  }
  if (!chance(rates_->fail_operation)) return {};
  switch (operation) {
    case UringOperation::kAccept:
    case UringOperation::kSend: return -any_of(kPassing);
    case UringOperation::kReceive: return chance(0.5) ? -ENOBUFS : -any_of(kPassing);
    case UringOperation::kFilesUpdate: return -ENOMEM;
    default: return {};
  }
}

// --- Asked at a call

// A hook may block, as a call on a thread of its own may, so no lock is held here.
std::optional<int64_t> FaultPlan::verdict(const Seen& seen) {
  count(calls_[static_cast<size_t>(SystemCall::kAny)]);
  count(calls_[static_cast<size_t>(seen.call)]);
  std::optional<int64_t> result = due(Kind::kFail, static_cast<uint8_t>(seen.call));
  for (auto& [call, hook] : hooks_) {
    if (!result && (call == seen.call || call == SystemCall::kAny)) result = hook(seen);
  }
  if (!result && rates_) result = chance_of_failure(seen.call);
  if (result) count(counts_.failed_calls);
  return result;
}

size_t FaultPlan::limit(SystemCall call, size_t size) {
  size_t most = size;
  if (const auto value = due(Kind::kShorten, static_cast<uint8_t>(call))) {
    most = std::min(size, static_cast<size_t>(*value));
  } else if (rates_ && size > 1 && transfers_bytes(call) && chance(rates_->shorten)) {
    most = draw_part(size);
  }
  if (most < size) count(counts_.shortened_calls);
  return most;
}

bool FaultPlan::all_spuriously_ready() { return due(Kind::kSpuriousReadiness, 0).has_value(); }

bool FaultPlan::is_spuriously_ready() { return rates_ && chance(rates_->spurious_readiness); }

// --- Asked by a ring

std::optional<int> FaultPlan::verdict(UringOperation operation) {
  if (const auto result = due(Kind::kComplete, static_cast<uint8_t>(operation))) {
    return static_cast<int>(*result);
  }
  for (auto& [kind, hook] : operation_hooks_) {
    if (kind != operation && kind != UringOperation::kAny) continue;
    if (const auto result = hook(operation)) return result;
  }
  return rates_ ? chance_of_failure(operation) : std::nullopt;
}

uint32_t FaultPlan::limit(UringOperation operation, uint32_t size) {
  if (const auto value = due(Kind::kShortenOperation, static_cast<uint8_t>(operation))) {
    return static_cast<uint32_t>(std::min<int64_t>(size, *value));
  }
  if (!rates_ || size < 2 || !chance(rates_->shorten)) return size;
  return static_cast<uint32_t>(draw_part(size));
}

bool FaultPlan::ends_multishot(UringOperation operation) {
  return due(Kind::kEndMultishot, static_cast<uint8_t>(operation)) ||
         (rates_ && chance(rates_->end_multishot));
}

unsigned FaultPlan::delay_of(UringOperation operation) {
  if (const auto enters = due(Kind::kDelay, static_cast<uint8_t>(operation))) {
    return static_cast<unsigned>(*enters);
  }
  if (!rates_ || !chance(rates_->delay)) return 0;
  return static_cast<unsigned>(1 + draw() % rates_->longest_delay);
}

bool FaultPlan::is_late() { return rates_ && chance(rates_->reorder); }

bool FaultPlan::loses_cancel() {
  return due(Kind::kLoseCancel, 0) || (rates_ && chance(rates_->lose_cancel));
}

}  // namespace eddy
