#include <eddy/core/reactor.h>
#include <eddy/net/name_lookup_internal.h>
#include <eddy/net/resolver.h>
#include <errno.h>

#include <deque>
#include <map>
#include <new>
#include <optional>
#include <utility>

namespace eddy {

class Resolver::State : public std::enable_shared_from_this<State> {
 public:
  using Callback = std::move_only_function<void(const Result<NameAnswer>&)>;

  State(Reactor& reactor, const ResolverOptions& options)
      : options_(options), pool_(reactor, {.threads = options.threads, .queue = options.queue}) {}

  Result<ResolveId> ask(const NameQuestion& question, std::chrono::nanoseconds timeout,
                        Callback callback);
  bool cancel(uint64_t number);
  void close();
  void clear_cache();
  ResolverStats stats() const;

 private:
  struct Asked {
    WorkId work;
    std::vector<uint64_t> waiters;
  };
  using Questions = std::map<NameQuestion, Asked>;
  struct Waiter {
    Callback callback;
    Questions::iterator question;  // end(): it waits for none, its answer is there
    TimerId timer{};
  };
  struct Cached {
    Result<NameAnswer> answer;
    TimePoint until;
  };
  using Cache = std::map<NameQuestion, Cached>;

  Result<void> find_answer(Reactor& reactor, const NameQuestion& question,
                           std::chrono::nanoseconds timeout, uint64_t number);
  Result<void> give_later(Reactor& reactor, uint64_t number, const Result<NameAnswer>& answer);
  Result<Questions::iterator> begin(Reactor& reactor, const NameQuestion& question,
                                    uint64_t number);
  void give_ready();
  void on_answer(Questions::iterator question, const Result<NameAnswer>& answer);
  void give(uint64_t number, const Result<NameAnswer>& answer);
  void time_out(uint64_t number);
  std::optional<Waiter> take(uint64_t number);
  void leave(Questions::iterator question, uint64_t number);

  const Result<NameAnswer>* find_cached(const NameQuestion& question, TimePoint now);
  void remember(const NameQuestion& question, const Result<NameAnswer>& answer);
  void forget_oldest();

  const ResolverOptions options_;
  uint64_t last_number_ = 0;
  std::map<uint64_t, Waiter> waiters_;
  Questions questions_;                                         // under way
  std::vector<std::pair<uint64_t, Result<NameAnswer>>> ready_;  // to be given in the next turn
  Cache cache_;
  std::deque<Cache::iterator> oldest_first_;
  ResolverStats stats_;
  WorkPool pool_;
};

// --- Asking

Result<ResolveId> Resolver::State::ask(const NameQuestion& question,
                                       std::chrono::nanoseconds timeout, Callback callback) {
  if (auto refused = refuse(question)) return std::unexpected(*std::move(refused));
  Reactor* reactor = pool_.reactor();
  if (reactor == nullptr) return std::unexpected<Error>(std::in_place, Errc::kClosed, "resolve");
  if (reactor->error()) return std::unexpected(*reactor->error());
  const uint64_t number = ++last_number_;
  Result<void> found;
  try {
    waiters_.try_emplace(number, std::move(callback), questions_.end());
    found = find_answer(*reactor, question, timeout, number);
  } catch (const std::bad_alloc&) {
    found = failure(-ENOMEM, "resolve");
  }
  if (found) return ResolveId{number};
  take(number);
  return std::unexpected(found.error());
}

Result<void> Resolver::State::find_answer(Reactor& reactor, const NameQuestion& question,
                                          std::chrono::nanoseconds timeout, uint64_t number) {
  if (auto numeric = numeric_answer(question)) return give_later(reactor, number, *numeric);
  if (const auto* cached = find_cached(question, reactor.now())) {
    ++stats_.from_cache;
    return give_later(reactor, number, *cached);
  }
  const auto asked = begin(reactor, question, number);
  if (!asked) return std::unexpected(asked.error());
  Waiter& waiter = waiters_.find(number)->second;
  waiter.question = *asked;
  if (timeout.count() <= 0) return {};
  waiter.timer = reactor.start_timer(timeout, [weak = weak_from_this(), number] {
    if (const auto self = weak.lock()) self->time_out(number);
  });
  if (!waiter.timer) return failure(-ENOMEM, "resolve");
  return {};
}

Result<Resolver::State::Questions::iterator> Resolver::State::begin(Reactor& reactor,
                                                                    const NameQuestion& question,
                                                                    uint64_t number) {
  if (const auto same = questions_.find(question); same != questions_.end()) {
    same->second.waiters.push_back(number);
    ++stats_.joined;
    return same;
  }
  NameQuestion of_work = question;
  const auto asked = questions_.emplace(question, Asked{{}, {number}}).first;
  const auto work =
      pool_.run([&kernel = reactor.kernel(),
                 of_work = std::move(of_work)] { return look_up(kernel, of_work); },
                [this, asked](const Result<NameAnswer>& answer) { on_answer(asked, answer); });
  if (!work) {
    questions_.erase(asked);
    return std::unexpected<Error>(std::in_place, work.error().code(), question.call(),
                                  question.subject(), work.error().advice());
  }
  asked->second.work = *work;
  ++stats_.asked;
  return asked;
}

// --- Answering

Result<void> Resolver::State::give_later(Reactor& reactor, uint64_t number,
                                         const Result<NameAnswer>& answer) {
  ready_.emplace_back(number, answer);
  if (ready_.size() > 1) return {};
  const bool deferred = reactor.defer([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->give_ready();
  });
  if (deferred) return {};
  ready_.clear();
  return failure(-ENOMEM, "resolve");
}

void Resolver::State::give_ready() {
  for (const auto& [number, answer] : std::exchange(ready_, {})) give(number, answer);
}

// A callback may cancel, ask, and destroy the Resolver.
void Resolver::State::on_answer(Questions::iterator question, const Result<NameAnswer>& answer) {
  const auto self = shared_from_this();
  remember(question->first, answer);
  const std::vector<uint64_t> waiters = std::move(question->second.waiters);
  for (const uint64_t number : waiters) waiters_.find(number)->second.question = questions_.end();
  questions_.erase(question);
  for (const uint64_t number : waiters) give(number, answer);
}

void Resolver::State::give(uint64_t number, const Result<NameAnswer>& answer) {
  if (auto waiter = take(number)) waiter->callback(answer);
}

void Resolver::State::time_out(uint64_t number) {
  const NameQuestion& question = waiters_.find(number)->second.question->first;
  const Result<NameAnswer> answer =
      std::unexpected<Error>(std::in_place, Errc::kTimedOut, question.call(), question.subject());
  ++stats_.timed_out;
  give(number, answer);
}

std::optional<Resolver::State::Waiter> Resolver::State::take(uint64_t number) {
  auto node = waiters_.extract(number);
  if (!node) return std::nullopt;
  Waiter& waiter = node.mapped();
  if (waiter.timer && pool_.reactor() != nullptr) pool_.reactor()->cancel_timer(waiter.timer);
  if (waiter.question != questions_.end()) leave(waiter.question, number);
  return std::move(waiter);
}

void Resolver::State::leave(Questions::iterator question, uint64_t number) {
  std::erase(question->second.waiters, number);
  if (!question->second.waiters.empty()) return;
  pool_.cancel(question->second.work);
  questions_.erase(question);
}

bool Resolver::State::cancel(uint64_t number) { return take(number).has_value(); }

void Resolver::State::close() {
  while (!waiters_.empty()) cancel(waiters_.begin()->first);
}

// --- The cache. All entries live equally long, so the oldest is also the next to be out of date.

const Result<NameAnswer>* Resolver::State::find_cached(const NameQuestion& question,
                                                       TimePoint now) {
  while (!oldest_first_.empty() && oldest_first_.front()->second.until <= now) forget_oldest();
  const auto found = cache_.find(question);
  return found == cache_.end() ? nullptr : &found->second.answer;
}

// Without memory it is not remembered.
void Resolver::State::remember(const NameQuestion& question, const Result<NameAnswer>& answer) {
  if (options_.cache_entries == 0 || (!answer && !options_.cache_failures)) return;
  while (cache_.size() >= options_.cache_entries) forget_oldest();
  const TimePoint until = after(pool_.reactor()->now(), options_.cache_life);
  try {
    oldest_first_.emplace_back();
  } catch (const std::bad_alloc&) {
    return;
  }
  try {
    oldest_first_.back() = cache_.try_emplace(question, answer, until).first;
  } catch (const std::bad_alloc&) {
    oldest_first_.pop_back();
  }
}

void Resolver::State::forget_oldest() {
  cache_.erase(oldest_first_.front());
  oldest_first_.pop_front();
}

void Resolver::State::clear_cache() {
  cache_.clear();
  oldest_first_.clear();
}

ResolverStats Resolver::State::stats() const {
  ResolverStats stats = stats_;
  stats.waiting = waiters_.size();
  stats.threads = pool_.stats();
  return stats;
}

// --- The handle

namespace {

// A copy for a callback: of a question that several ask, the answer is there once.
template <typename Answer, typename Make>
Result<Answer> copy(const Result<NameAnswer>& answer, Make&& make) {
  try {
    if (!answer) return std::unexpected(answer.error());
    return make(*answer);
  } catch (const std::bad_alloc&) {
    return failure(-ENOMEM, "resolve");
  }
}

}  // namespace

Resolver::Resolver(Reactor& reactor, const ResolverOptions& options) {
  try {
    state_ = std::make_shared<State>(reactor, options);
  } catch (const std::bad_alloc&) {
    state_ = nullptr;
  }
}

Resolver::~Resolver() {
  if (state_ != nullptr) state_->close();
}

Result<ResolveId> Resolver::resolve(std::string_view host, std::string_view service,
                                    OnResolved callback) {
  return resolve(host, service, ResolveHints{}, std::move(callback));
}

Result<ResolveId> Resolver::resolve(std::string_view host, std::string_view service,
                                    const ResolveHints& hints, OnResolved callback) {
  if (state_ == nullptr) return failure(-ENOMEM, "Resolver");
  try {
    return state_->ask({.host = std::string(host),
                        .service = std::string(service),
                        .family = hints.family,
                        .socket_type = hints.socket_type,
                        .protocol = hints.protocol,
                        .flags = hints.flags},
                       hints.timeout, [callback = std::move(callback)](const auto& answer) mutable {
                         callback(copy<ResolvedName>(answer, [](const NameAnswer& found) {
                           return ResolvedName{found.addresses, found.name};
                         }));
                       });
  } catch (const std::bad_alloc&) {
    return failure(-ENOMEM, "resolve");
  }
}

Result<ResolveId> Resolver::name_of(const Address& address, OnNamed callback, int flags,
                                    std::chrono::nanoseconds timeout) {
  if (state_ == nullptr) return failure(-ENOMEM, "Resolver");
  try {
    return state_->ask({.is_reverse = true, .flags = flags, .address = address}, timeout,
                       [callback = std::move(callback)](const auto& answer) mutable {
                         callback(copy<HostName>(answer, [](const NameAnswer& found) {
                           return HostName{found.name, found.service};
                         }));
                       });
  } catch (const std::bad_alloc&) {
    return failure(-ENOMEM, "resolve");
  }
}

bool Resolver::cancel(ResolveId id) { return state_ != nullptr && state_->cancel(id.number); }

void Resolver::clear_cache() {
  if (state_ != nullptr) state_->clear_cache();
}

ResolverStats Resolver::stats() const {
  return state_ == nullptr ? ResolverStats{} : state_->stats();
}

}  // namespace eddy
