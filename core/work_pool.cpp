#include <eddy/core/check.h>
#include <eddy/core/reactor.h>
#include <eddy/core/work_pool.h>
#include <errno.h>

#include <algorithm>
#include <map>
#include <mutex>

namespace eddy {

// What the pool, its place in the reactor and its workers share. Whoever is the last to let go
// destroys it.
class WorkPool::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(Reactor& reactor, const WorkPoolOptions& options)
      : kernel_(reactor.kernel()),
        threads_(std::max<size_t>(options.threads, 1)),
        most_open_(threads_ + std::min(options.queue, SIZE_MAX - threads_)),
        notifier_(std::in_place, reactor.mailbox(), [this](uint64_t) { answer_all(); }) {}

  // --- On the reactor's thread
  Result<WorkId> enqueue(std::shared_ptr<Item> item);
  bool cancel(uint64_t number);
  void close();
  WorkPoolStats stats();

  Anchor* anchor = nullptr;

 private:
  using Items = std::map<uint64_t, std::shared_ptr<Item>>;  // in the order in which they came

  std::unexpected<Error> refuse(std::error_code code, const char* advice);
  int start_worker();
  void answer_all();
  void set_open(size_t open);
  std::shared_ptr<Item> cancel_one_running();

  // --- On any
  // A step of a worker: what it was busy with is over, and it takes up the next, `busy_with`.
  bool step(uint64_t& busy_with);
  void finish(uint64_t number, Items::node_type& dropped);

  Kernel& kernel_;
  const size_t threads_;
  const size_t most_open_;

  // The reactor's thread's alone
  size_t open_ = 0;  // answers that are to come
  uint64_t last_number_ = 0;
  uint64_t answered_ = 0;
  uint64_t cancelled_ = 0;
  uint64_t refused_ = 0;
  bool closed_ = false;

  std::mutex mutex_;  // of what follows
  Items queued_;
  Items running_;
  Items finished_;
  size_t workers_ = 0;
  std::optional<Notifier> notifier_;  // none: the reactor must not be touched any more
};

// The pool's place among the reactor's slots, by which it keeps the loop running and hears of its
// end. It has no descriptor.
class WorkPool::Anchor final : public Slot {
 public:
  Anchor(Reactor& reactor, std::shared_ptr<Core> core) : reactor_(reactor), core_(std::move(core)) {
    core_->anchor = this;
  }
  ~Anchor() override {
    core_->close();
    core_->anchor = nullptr;
  }
  void abandon() override {
    if (!retired) reactor_.retire(*this);
  }
  Reactor& reactor() { return reactor_; }

 private:
  Reactor& reactor_;
  const std::shared_ptr<Core> core_;
};

// --- On the reactor's thread

std::unexpected<Error> WorkPool::Core::refuse(std::error_code code, const char* advice) {
  ++refused_;
  return std::unexpected<Error>(std::in_place, code, "WorkPool::run", std::string(), advice);
}

Result<WorkId> WorkPool::Core::enqueue(std::shared_ptr<Item> item) {
  uint64_t number = 0;
  bool wants_worker = false;
  {
    const std::lock_guard lock(mutex_);
    if (queued_.size() + running_.size() >= most_open_) {
      return refuse(Errc::kOverLimit, "every thread is busy, and the queue is full");
    }
    try {
      queued_.emplace(++last_number_, std::move(item));
    } catch (const std::bad_alloc&) {
      return failure(-ENOMEM, "WorkPool::run");
    }
    number = last_number_;
    wants_worker = workers_ < threads_;
    if (wants_worker) ++workers_;
  }
  const int failed = wants_worker ? start_worker() : 0;
  if (failed < 0) {
    Items::node_type dropped;
    const std::lock_guard lock(mutex_);
    // Without another worker nobody would ever take it.
    if (--workers_ == 0) dropped = queued_.extract(number);
    if (dropped) return refuse(errno_code(-failed), "the system gives no thread");
  }
  set_open(open_ + 1);
  return WorkId{number};
}

int WorkPool::Core::start_worker() {
  try {
    return kernel_.run_elsewhere([core = shared_from_this(), busy_with = uint64_t{0}]() mutable {
      return core->step(busy_with);
    });
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

void WorkPool::Core::set_open(size_t open) {
  open_ = open;
  if (anchor != nullptr) anchor->reactor().set_keeps_alive(*anchor, open != 0);
}

bool WorkPool::Core::cancel(uint64_t number) {
  std::shared_ptr<Item> item;
  {
    const std::lock_guard lock(mutex_);
    if (const auto running = running_.find(number); running != running_.end()) {
      if (!std::exchange(running->second->cancelled, true)) item = running->second;
    } else {
      auto node = queued_.extract(number);
      if (!node) node = finished_.extract(number);
      if (node) item = std::move(node.mapped());
    }
  }
  if (item == nullptr) return false;
  ++cancelled_;
  set_open(open_ - 1);
  item->forget();
  return true;
}

// `done` may cancel others, and destroy the pool.
void WorkPool::Core::answer_all() {
  const std::shared_ptr<Core> self = shared_from_this();
  for (;;) {
    Items::node_type node;
    {
      const std::lock_guard lock(mutex_);
      if (finished_.empty()) return;
      node = finished_.extract(finished_.begin());
    }
    ++answered_;
    set_open(open_ - 1);
    node.mapped()->answer();
  }
}

std::shared_ptr<WorkPool::Item> WorkPool::Core::cancel_one_running() {
  const std::lock_guard lock(mutex_);
  for (auto& [number, item] : running_) {
    if (!std::exchange(item->cancelled, true)) return item;
  }
  return nullptr;
}

// In a child of fork(2) a worker may have had the lock, and nothing is there to be told.
void WorkPool::Core::close() {
  if (std::exchange(closed_, true) || !anchor->reactor().of_this_process()) return;
  std::optional<Notifier> notifier;
  Items queued, finished;
  {
    const std::lock_guard lock(mutex_);
    queued.swap(queued_);  // nothing more begins
  }
  while (const std::shared_ptr<Item> item = cancel_one_running()) item->forget();
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);  // nothing more comes, and nobody is to be told
    notifier.swap(notifier_);
  }
  set_open(0);
}

WorkPoolStats WorkPool::Core::stats() {
  const std::lock_guard lock(mutex_);
  return {.queued = queued_.size(),
          .running = running_.size(),
          .answered = answered_,
          .cancelled = cancelled_,
          .refused = refused_};
}

// --- On a thread of the pool's

bool WorkPool::Core::step(uint64_t& busy_with) {
  std::shared_ptr<Item> item;
  Items::node_type dropped;  // goes when the lock has gone
  {
    const std::lock_guard lock(mutex_);
    if (busy_with != 0) finish(busy_with, dropped);
    if (queued_.empty()) {
      --workers_;
      return false;
    }
    auto node = queued_.extract(queued_.begin());
    busy_with = node.key();
    item = node.mapped();
    running_.insert(std::move(node));
  }
  dropped = {};
  item->work();
  return true;
}

void WorkPool::Core::finish(uint64_t number, Items::node_type& dropped) {
  auto node = running_.extract(number);
  if (node.mapped()->cancelled) {
    dropped = std::move(node);
    return;
  }
  finished_.insert(std::move(node));
  notifier_->notify();
}

// --- The pool

WorkPool::WorkPool(Reactor& reactor, const WorkPoolOptions& options) : error_(reactor.error()) {
  if (error_) return;
  try {
    core_ = std::make_shared<Core>(reactor, options);
  } catch (const std::bad_alloc&) {
    core_ = nullptr;
  }
  if (core_ == nullptr || reactor.make_slot<Anchor>(0, reactor, core_) == nullptr) {
    error_.emplace(errno_code(ENOMEM), "WorkPool");
    return;
  }
  reactor.set_keeps_alive(*core_->anchor, false);
}

WorkPool::~WorkPool() {
  if (reactor() == nullptr) return;
  EDDY_REQUIRE(reactor()->on_own_thread(), "a WorkPool was destroyed by another thread");
  core_->close();
  core_->anchor->abandon();
}

Reactor* WorkPool::reactor() const {
  return core_ == nullptr || core_->anchor == nullptr ? nullptr : &core_->anchor->reactor();
}

Result<WorkId> WorkPool::enqueue(std::shared_ptr<Item> item) {
  if (error_) return std::unexpected(*error_);
  if (item == nullptr) return failure(-ENOMEM, "WorkPool::run");
  if (reactor() == nullptr)
    return std::unexpected<Error>(std::in_place, Errc::kClosed, "WorkPool::run");
  EDDY_REQUIRE(reactor()->on_own_thread(), "WorkPool::run was called by another thread");
  return core_->enqueue(std::move(item));
}

bool WorkPool::cancel(WorkId id) { return reactor() != nullptr && core_->cancel(id.number); }

WorkPoolStats WorkPool::stats() const {
  return core_ == nullptr ? WorkPoolStats{} : core_->stats();
}

}  // namespace eddy
