#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/connect_attempts_internal.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <utility>

namespace eddy {
namespace {

using std::chrono::nanoseconds;

constexpr size_t kFailuresKept = 8;
constexpr uint64_t kMostSources = 256;
// RFC 8305, section 8.
constexpr nanoseconds kLeastAttemptDelay = std::chrono::milliseconds(10);
constexpr nanoseconds kMostAttemptDelay = std::chrono::seconds(2);

// bind(2), connect(2): another source may have some left.
bool is_out_of_ports(std::error_code reason) {
  return reason == std::errc::address_not_available || reason == std::errc::address_in_use;
}

}  // namespace

// One socket on its way. Its stream ends it, also where everything is abandoned.
class AttemptSlot final : public Slot {
 public:
  AttemptSlot(Reactor& reactor, ConnectAttempts& attempts, size_t index, uint64_t sources_left)
      : reactor_(reactor), attempts_(attempts), index_(index), sources_left_(sources_left) {}

  size_t index() const { return index_; }                  // of its address
  uint64_t sources_left() const { return sources_left_; }  // that may still be tried for it

  // False: no memory.
  bool begin(int descriptor, const Address& address, nanoseconds timeout) {
    fd = descriptor;
    reactor_.operations().connect(*this, address.data(), address.size());
    if (timeout <= nanoseconds::zero()) return true;
    timer_ = reactor_.start_timer(
        timeout, [this] { attempts_.failed(*this, make_error_code(Errc::kTimedOut)); },
        {.referenced = false});
    return static_cast<bool>(timer_);
  }
  void end() {
    reactor_.cancel_timer(timer_);
    reactor_.operations().close(*this);
  }
  // Its descriptor is another slot's.
  void leave() {
    reactor_.cancel_timer(timer_);
    reactor_.retire(*this);
  }

  void on_connect(int result) override {
    result < 0 ? attempts_.failed(*this, errno_code(-result)) : attempts_.connected(*this);
  }
  void on_closed() override { reactor_.retire(*this); }

 private:
  Reactor& reactor_;
  ConnectAttempts& attempts_;
  const size_t index_;
  const uint64_t sources_left_;
  TimerId timer_{};
};

ConnectAttempts::ConnectAttempts(StreamSlot& stream, std::shared_ptr<ConnectPlan> plan,
                                 std::vector<Address> addresses, std::string subject)
    : stream_(stream),
      plan_(std::move(plan)),
      addresses_(std::move(addresses)),
      by_name_(addresses_.empty()),
      subject_(std::move(subject)) {
  running_.reserve(addresses_.size());
  last_failures_.reserve(kFailuresKept);
}

// A resolver that is destroyed answers nothing: what it held of ours says so then.
class ConnectAttempts::Answer {
 public:
  explicit Answer(const std::shared_ptr<ConnectAttempts*>& asker) : asker_(asker) {}
  Answer(Answer&&) = default;
  ~Answer() {
    const auto asker = asker_.lock();
    if (asker == nullptr || *asker == nullptr) return;
    (*asker)->stream_.connect_failed(errno_code(ECANCELED));
  }
  void operator()(Result<ResolvedName> found) {
    const auto asker = std::exchange(asker_, {}).lock();
    if (asker != nullptr) (*asker)->resolved(std::move(found));
  }

 private:
  std::weak_ptr<ConnectAttempts*> asker_;
};

std::move_only_function<void(Result<ResolvedName>)> ConnectAttempts::expect_addresses() {
  asker_ = std::make_shared<ConnectAttempts*>(nullptr);
  return Answer(asker_);
}

void ConnectAttempts::resolved(Result<ResolvedName> found) {
  asker_.reset();
  if (!found) {
    const std::error_code reason = found.error().code();
    ++failures_;
    last_failures_.push_back(std::move(found).error());
    return stream_.connect_failed(reason);
  }
  try {
    addresses_ = interleave_families(found->addresses);
    running_.reserve(addresses_.size());
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  begin_next();
}

void ConnectAttempts::stop() {
  stopped_ = true;
  asker_.reset();
  unanswered_ = running_.size();
  stream_.reactor().cancel_timer(timer_);
  for (AttemptSlot* attempt : running_) attempt->end();
  running_.clear();
}

// What an attempt has met is told in words, which need memory.
void ConnectAttempts::begin_next() {
  try {
    begin_next_or_throw();
  } catch (const std::bad_alloc&) {
    out_of_memory();
  }
}

// The next address for which there is a socket; the one behind it has its turn in a while.
void ConnectAttempts::begin_next_or_throw() {
  stream_.reactor().cancel_timer(timer_);
  while (!stopped_ && next_ != addresses_.size()) {
    if (!begin(next_++, std::min(plan_->options.source.size(), kMostSources))) continue;
    if (stopped_ || next_ == addresses_.size()) return;
    return begin_after(
        std::clamp(plan_->options.attempt_delay, kLeastAttemptDelay, kMostAttemptDelay));
  }
  if (!stopped_ && running_.empty()) retry_or_give_up();
}

// From one source after the other, where there are several. False: all have failed, and that is
// told.
bool ConnectAttempts::begin(size_t index, uint64_t sources) {
  while (!stopped_) {
    auto fd = make_connecting_socket(stream_.reactor().kernel(), addresses_[index], *plan_);
    if (sources != 0) --sources;
    if (fd) {
      launch(*fd, index, sources);
      return true;
    }
    const std::error_code reason = fd.error().code();
    note_failure(std::move(fd).error());
    if (sources == 0 || !is_out_of_ports(reason)) return false;
  }
  return false;
}

void ConnectAttempts::launch(int descriptor, size_t index, uint64_t sources_left) {
  Reactor& reactor = stream_.reactor();
  auto* attempt = reactor.make_slot<AttemptSlot>(0, reactor, *this, index, sources_left);
  if (attempt == nullptr) {
    reactor.kernel().close(descriptor);
    return out_of_memory();
  }
  attempt->is_tcp = is_plain_tcp(addresses_[index], plan_->options);
  running_.push_back(attempt);
  if (!attempt->begin(descriptor, addresses_[index], plan_->options.timeout)) out_of_memory();
}

void ConnectAttempts::connected(AttemptSlot& attempt) {
  std::erase(running_, &attempt);
  stop();
  stream_.take_over(attempt);
  attempt.leave();
  stream_.on_connect(0);
}

void ConnectAttempts::failed(AttemptSlot& attempt, std::error_code reason) {
  std::erase(running_, &attempt);
  const size_t index = attempt.index();
  const uint64_t sources_left = attempt.sources_left();
  attempt.end();
  try {
    note_failure(Error(reason, "connect", addresses_[index].to_string()));
    if (sources_left != 0 && is_out_of_ports(reason) && begin(index, sources_left)) return;
    begin_next_or_throw();
  } catch (const std::bad_alloc&) {
    out_of_memory();
  }
}

void ConnectAttempts::note_failure(Error failure) {
  ++failures_;
  if (last_failures_.size() == kFailuresKept) last_failures_.erase(last_failures_.begin());
  last_failures_.push_back(std::move(failure));
  stream_.attempt_failed(plan_->options.on_attempt_failed, last_failures_.back());
}

void ConnectAttempts::retry_or_give_up() {
  if (retries_ == plan_->options.retry.limit) {
    return stream_.connect_failed(last_failures_.back().code());
  }
  next_ = 0;
  begin_after(next_delay());
}

// Doubled each time, and cut short by chance.
nanoseconds ConnectAttempts::next_delay() {
  const RetryOptions& retry = plan_->options.retry;
  constexpr uint64_t kMostDoublings = 63;
  const int doublings = static_cast<int>(std::min(retries_++, kMostDoublings));
  const double longest = static_cast<double>(retry.longest_delay.count());
  const double delay =
      std::min(std::ldexp(static_cast<double>(retry.first_delay.count()), doublings), longest);
  uint64_t drawn = 0;
  stream_.reactor().kernel().getrandom(&drawn, sizeof drawn);
  const double chance = std::ldexp(static_cast<double>(drawn), -64);  // from 0 to 1
  const double jitter = retry.jitter > 0 ? std::min(retry.jitter, 1.0) : 0;
  const double cut = std::max(delay, 0.0) * (1 - jitter * chance);
  return cut < 0x1p63 ? nanoseconds(static_cast<int64_t>(cut)) : nanoseconds::max();
}

void ConnectAttempts::begin_after(nanoseconds delay) {
  timer_ = stream_.reactor().start_timer(delay, [this] { begin_next(); }, {.referenced = false});
  if (!timer_) out_of_memory();  // it would wait for ever
}

void ConnectAttempts::out_of_memory() { stream_.connect_failed(errno_code(ENOMEM)); }

Error ConnectAttempts::error(std::error_code reason) const {
  std::string met;
  for (const Error& failure : last_failures_) {
    if (!met.empty()) met += "; ";
    met += failure.message();
  }
  if (failures_ > last_failures_.size()) {
    met = "the last of " + std::to_string(failures_) + " failures: " + met;
  }
  if (const size_t unanswered = unanswered_ + running_.size(); unanswered != 0) {
    if (!met.empty()) met += "; ";
    met += std::to_string(unanswered) + " had not answered yet";
  }
  return {reason, "connect", subject_, std::move(met)};
}

}  // namespace eddy
